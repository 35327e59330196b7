// `weir sessions`, `weir receipts`, `weir limits`: what the agent keeps, as tables. Changes nothing.

import * as identities from './adapters/identity.ts';
import * as uci from './adapters/uci.ts';
import type { Command, Desk } from './cli-bus.ts';
import { command } from './cli-bus.ts';
import * as amount from './core/amount.ts';
import * as argv from './core/argv.ts';
import { type PublicKey, seconds } from './core/brand.ts';
import type { Hashes } from './core/hash.ts';
import type { Line } from './core/home.ts';
import type { Receipt } from './core/receipt.ts';
import { fail, ok, type Result, text, under } from './core/result.ts';
import * as settings from './core/settings.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as console from './wire/console.ts';
import * as cose from './wire/cose.ts';
import * as evidence from './wire/evidence.ts';
import { hexOf } from './wire/form.ts';
import * as wire from './wire/receipt.ts';
import * as told from './wire/told.ts';

export const help = {
  sessions: `weir sessions [--json]

Who has a session: friends by name, and of coordinators whose grant it is, by
their root keys' names. left is what remains of the quota, ends the time.
`,
  receipts: `weir receipts NAME|SESSION [--hex | --json]

What this router has signed for a session, as far as it is kept, each checked
against this router's own key. A session is named by its first letters, as weir
sessions shows them.
  --hex   its grants and receipts as they are, for weir verify
`,
  limits: `weir limits [--json]

The most that this router grants and shares, and when, from /etc/config/weir.
`,
};

const json = { options: { json: 'flag' } } as const;
const commands = {
  sessions: command(json, (desk, { options }) => list(desk, 'sessions', options.json === true)),
  receipts: command({ options: { hex: 'flag', json: 'flag' }, words: { 'NAME|SESSION': argv.text } }, receipts),
  limits: command(json, limits),
} as const;
export const run: Command = (host, name, args) => commands[name as keyof typeof commands](host, name, args);
export const friends: Command = command(json, (desk, { options }) => list(desk, 'friend_list', options.json === true));

export async function listed({ ask }: Desk, method: 'sessions' | 'friend_list'): Promise<Result<readonly told.Session[]>> {
  const answer = await ask('weir', method);
  return answer.ok ? told.decodeSessions(answer.value) : answer;
}

async function list(desk: Desk, method: 'sessions' | 'friend_list', isJson: boolean): Promise<Result<number>> {
  const { host, ask } = desk;
  if (isJson) {
    const answer = await ask('weir', method);
    if (!answer.ok) return answer;
    host.print(`${console.json(blobmsg.nested(answer.value))}\n`);
    return ok(0);
  }
  const sessions = await listed(desk, method);
  if (!sessions.ok) return sessions;
  const rows = sessions.value.map((s) => [
    s.session.slice(0, 8),
    s.condition,
    amount.renderSize(s.up),
    amount.renderSize(s.down),
    s.left === null ? '' : amount.renderSize(s.left),
    amount.renderSpan(seconds(s.seconds)),
    s.name ?? s.root ?? '',
  ]);
  if (rows.length === 0) host.print(method === 'sessions' ? 'no sessions\n' : 'no friends yet: weir friend add --help\n');
  else host.print(console.columns([['session', 'state', 'up', 'down', 'left', 'ends', 'name'], ...rows], [2, 3, 4, 5]));
  for (const { name, session, reason, disputed } of sessions.value)
    for (const note of [reason, disputed === null ? null : disputeOf(disputed)])
      if (note !== null) host.print(console.wrap('', `${name ?? session.slice(0, 8)}: ${note}`, 2));
  return ok(0);
}

function disputeOf({ receipt, reason, up, down, own_up, own_down }: told.Dispute): string {
  const size = (a: bigint, b: bigint): string => `${amount.renderSize(a)} up, ${amount.renderSize(b)} down`;
  const own = own_up === null || own_down === null ? '' : `; by its own counters ${size(own_up, own_down)}`;
  return `receipt ${receipt} is disputed because of its ${reason}: bills ${size(up, down)}${own}`;
}

// ── Receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function receipts(
  desk: Desk,
  { options, words: [word = ''] }: argv.Arguments<{ hex: 'flag'; json: 'flag' }>,
): Promise<Result<number>> {
  const { host } = desk;
  const found = await named(desk, word);
  if (!found.ok) return found;
  const { session, disputed } = found.value;
  const messages = await allOf(desk, session);
  if (!messages.ok) return messages;
  if (options.hex) {
    host.print(evidence.render(messages.value));
    return ok(0);
  }
  const own = identities.look(host, host.process.env('WEIR_FOLDER') ?? '/etc/weir/agent');
  if (!own.ok) return own;
  const read = messages.value.flatMap((bytes, i) => readReceipt(bytes, i, own.value.signer.key, host));
  const good = read.flatMap((r) => (r.ok ? [r.value] : []));
  if (options.json) {
    const plain = (_: string, v: unknown): unknown => (typeof v === 'bigint' ? `${v}` : v);
    host.print(`${JSON.stringify({ session, receipts: good, disputed }, plain)}\n`);
  } else if (good.length === 0) host.print('no receipts yet\n');
  else
    host.print(
      console.columns([['number', 'sealed (UTC)', 'up', 'down', 'agreed', 'end'], ...good.map((r) => cellsOf(r, disputed))], [0, 2, 3]),
    );
  if (!options.json && disputed !== null) host.print(console.wrap('', disputeOf(disputed), 2));
  const bad = read.flatMap((r) => (r.ok ? [] : [r.fault]));
  for (const fault of bad) host.log(`BAD ${text(fault)}`);
  return ok(bad.length === 0 ? 0 : 1);
}

/** A friend's name, or the beginning of a session's. */
async function named(desk: Desk, word: string): Promise<Result<Pick<told.Session, 'session' | 'disputed'>>> {
  const sessions = await listed(desk, 'sessions');
  if (!sessions.ok) return sessions;
  const fits = sessions.value.filter(({ name, session }) => name === word || (/^[0-9a-f]{6,}$/.test(word) && session.startsWith(word)));
  const [first, second] = fits;
  if (second !== undefined) return fail('malformed', '', 'more than one session begins like this');
  return first === undefined ? fail('missing', '', 'no session of this name: weir sessions lists them') : ok(first);
}

async function allOf({ ask }: Desk, session: string): Promise<Result<readonly Uint8Array[]>> {
  const messages = new Map<string, Uint8Array>();
  for (let [from, more] = [1, true]; more; ) {
    const answer = await ask('weir', 'receipts', blobmsg.table({ session: blobmsg.string(session), from: blobmsg.int64(BigInt(from)) }));
    const page = answer.ok ? told.decodeReceipts(answer.value) : answer;
    if (!page.ok) return page;
    // Each page begins with the grants.
    for (const bytes of page.value.messages) messages.set(hexOf(bytes), bytes);
    const next = 1 + Math.max(0, ...page.value.messages.map(numberOf));
    more = page.value.more && next > from;
    from = next;
  }
  return ok([...messages.values()]);
}

/** As it says, whoever signed it; 0: no receipt. */
function numberOf(bytes: Uint8Array): number {
  const signed = cose.decode(bytes);
  const read = signed.ok && signed.value.kind === 'receipt' ? wire.receipt.read(signed.value.body) : null;
  return read?.ok ? read.value.sequence : 0;
}

type Kept = Receipt & Readonly<{ isAgreed: boolean }>;

/** None of a message that is something else. */
function readReceipt(bytes: Uint8Array, i: number, key: PublicKey, hashes: Hashes): readonly Result<Kept>[] {
  const signed = cose.decode(bytes);
  if (signed.ok && signed.value.kind !== 'receipt') return [];
  const verified = signed.ok ? cose.verify(signed.value, key, hashes) : signed;
  const read = verified.ok ? cose.read(verified.value, 'receipt', wire.receipt) : verified;
  if (!read.ok) return [{ ok: false, fault: under(`message ${i + 1}`, read.fault) }];
  return [ok({ ...read.value, isAgreed: signed.ok && signed.value.witness !== null })];
}

const cellsOf = (r: Kept, disputed: told.Dispute | null): readonly string[] => [
  `${r.sequence}`,
  r.wall.trust === 'unknown' ? 'clock not set' : amount.renderTime(r.wall.at),
  amount.renderSize(r.counted.up),
  amount.renderSize(r.counted.down),
  r.isAgreed ? 'yes' : r.sequence === disputed?.receipt ? 'disputed' : '',
  r.final ?? '',
];

// ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const homeOf = ({ link: { up, down } }: Line): string =>
  `guests get what you leave of ${amount.renderRate(8n * down)} down, ${amount.renderRate(8n * up)} up`;

async function limits({ host, bus }: Desk, { options }: argv.Arguments<{ json: 'flag' }>): Promise<Result<number>> {
  const sections = await uci.read(bus.call, 'weir');
  if (!sections.ok) return sections;
  const parsed = settings.parseOwner(sections.value);
  if (!parsed.ok) {
    for (const wrong of parsed.faults) host.log(text(wrong));
    return ok(1);
  }
  const { line, session, sessions, month, schedule, home } = parsed.value.limits;
  // As the owner wrote them: parsed, they are minutes of the week.
  const written = sections.value.find(({ type }) => type === 'limits')?.options.get('schedule') ?? [];
  const hours = typeof written === 'string' ? [written] : written;
  const unknown = schedule.whenUnknown ? 'open' : 'closed';
  const rows: readonly (readonly [name: string, exact: bigint | number | boolean | null | readonly string[], words: string])[] = [
    ['schedule', hours, hours.length === 0 ? 'always' : `${hours.join(', ')}; ${unknown} while the time is not known`],
    ['home_first', home !== null, home === null ? 'no' : homeOf(home)],
    ...(home === null ? [] : [['headroom', home.headroom, `${home.headroom} % of that stay empty`] as const]),
    ['session_rate_down', session.rate.down, amount.renderRate(session.rate.down)],
    ['session_rate_up', session.rate.up, amount.renderRate(session.rate.up)],
    ['session_quota', session.quota, amount.renderSize(session.quota)],
    ['session_seconds', session.lifetime, `${amount.renderSpan(session.lifetime)} without the agent`],
    ['sessions', sessions, `${sessions} at a time`],
    ['rate_down', 8n * line.down, `${amount.renderRate(8n * line.down)} of the line, all together`],
    ['rate_up', 8n * line.up, `${amount.renderRate(8n * line.up)} of the line, all together`],
    ['monthly_cap', month.cap, month.cap === null ? 'none' : `${amount.renderSize(month.cap)} of the line`],
    ['reset_day', month.resetDay, `day ${month.resetDay}`],
  ];
  if (options.json)
    host.print(`{${rows.map(([name, exact]) => `"${name}":${Array.isArray(exact) ? JSON.stringify(exact) : exact}`).join(',')}}\n`);
  else
    host.print(
      console.columns(
        rows.map(([name, , words]) => [name, words]),
        [],
      ),
    );
  return ok(0);
}

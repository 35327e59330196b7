// `weir friend`: sessions that the owner grants by himself. Makes a friend's key and configuration, shows them once and keeps no secret. The
// grant is the agent's to sign, the limits are the enforcer's to hold.

import { encodeQR } from 'qr';
import * as uci from './adapters/uci.ts';
import type { Command, Desk } from './cli-bus.ts';
import { command } from './cli-bus.ts';
import { misread } from './cli-say.ts';
import { friends, listed } from './cli-sessions.ts';
import * as amount from './core/amount.ts';
import type { Arguments } from './core/argv.ts';
import * as argv from './core/argv.ts';
import { type SecretKey, seconds } from './core/brand.ts';
import * as doorway from './core/doorway.ts';
import type { Endpoint } from './core/endpoint.ts';
import * as endpoints from './core/endpoint.ts';
import { witnessings } from './core/grant.ts';
import * as ip from './core/ip.ts';
import * as reach from './core/reach.ts';
import { type Fault, fail, fault, ok, type Result } from './core/result.ts';
import type { Pair } from './core/seat.ts';
import * as settings from './core/settings.ts';
import * as x25519 from './crypto/x25519.ts';
import type { Host } from './ports/host.ts';
import * as base64 from './wire/base64.ts';
import type { Table } from './wire/blobmsg.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as console from './wire/console.ts';
import * as door from './wire/door.ts';
import * as evidence from './wire/evidence.ts';
import { hexOf } from './wire/form.ts';
import * as told from './wire/told.ts';
import * as wgquick from './wire/wgquick.ts';

export const help = {
  friend: `weir friend add NAME --quota SIZE --rate RATE --days N [OPTION...]
weir friend list [--json]
weir friend show NAME
weir friend top-up NAME [--quota SIZE] [--days N]
weir friend remove NAME

add makes a key pair, has this router sign what the friend may use, and shows
the WireGuard configuration and its QR code: once, since the key is kept
nowhere. Any WireGuard app takes both.
  --quota SIZE      both directions together: 500M, 20G, 1T (1G is 1024M)
  --rate RATE       bits per second: 800k, 10M; or down and up: 50M/10M
  --days N          days that the router is powered on
  --until DATE      and not after this day (UTC): 2027-12-31
  --endpoint HOST[:PORT]  where the friend calls, this once; for good it is the
                    option weir.tunnel.endpoint. Without either: an address of
                    the uplink
  --dns A[,B]|none  name servers; without it those of the uplink, where guests
                    may reach them
  --out FILE        writes the configuration there and does not show it
  --key BASE64      the friend's own public key: none is made then
For consumers that countersign receipts (scripts/consumer):
  --consumer HEX    the public key they sign with
  --countersign none|optional|required
  --credit SIZE     what may pass without a countersignature
  --grant FILE      writes the signed grant there

show tells where the friend calls now, after the uplink's address has changed.
top-up adds to what there is. remove ends the session with a last receipt.
`,
};

const server = (text: string): Result<string> => {
  const address = ip.parseAddress(text);
  return address.ok ? ok(ip.renderAddress(address.value)) : address;
};
const options = {
  quota: amount.parseSize,
  rate: amount.parseRate,
  days: amount.parseDays,
  until: amount.parseDate,
  endpoint(text: string): Result<Endpoint> {
    const at = endpoints.parse(text);
    return at === null ? fail('malformed', '', 'expected HOST or HOST:PORT, with an IPv6 address in brackets') : ok(at);
  },
  dns: (text: string): Result<readonly string[]> => (text === 'none' ? ok([]) : argv.list(server)(text)),
  out: argv.text,
  key: argv.matching(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, '32 bytes in base64'),
  consumer: argv.matching(/^[0-9a-f]{64}$/, '32 bytes in hex, in small letters'),
  countersign: argv.matching(new RegExp(`^(${witnessings.join('|')})$`), witnessings.join(', ')),
  credit: amount.parseSize,
  grant: argv.text,
} as const;
const words = { NAME: argv.matching(/^[A-Za-z0-9_.-]{1,32}$/, '1 to 32 letters, digits, dashes, underscores or dots') };
type Invitation = Arguments<typeof options, 'quota' | 'rate' | 'days'>;

const orders: Readonly<Record<string, Command>> = {
  add: command({ options, words, wanted: ['quota', 'rate', 'days'] }, add, mend),
  list: friends,
  show: command({ options: {}, words }, show),
  'top-up': command({ options: { quota: options.quota, days: options.days }, words }, topUp),
  remove: command({ options: {}, words }, remove),
};

export async function run(host: Host, name: string, [order = '', ...args]: readonly string[]): Promise<number> {
  const act = Object.hasOwn(orders, order) ? orders[order] : undefined;
  return act === undefined
    ? misread(host, name, fault('unsupported', '', `expected one of ${Object.keys(orders).join(', ')}`))
    : act(host, `${name} ${order}`, args);
}

/** What a friend's wish meets first are the owner's own ceilings. */
function mend({ path }: Fault, { options: { quota, rate } }: Readonly<{ options: { quota?: bigint; rate?: Pair<bigint> } }>): string {
  const field = path.split('.').at(-1);
  const raise = (option: string, value: bigint): string =>
    `the limit is your own, weir limits shows it: uci set weir.limits.${option}=${value}; uci commit weir`;
  if (field === 'quota' && quota !== undefined) return raise('session_quota', quota >> 20n);
  if (field === 'rate_up' && rate !== undefined) return raise('session_rate_up', rate.up / 1000n);
  if (field === 'rate_down' && rate !== undefined) return raise('session_rate_down', rate.down / 1000n);
  return '';
}

type Router = Readonly<{ key: string; at: doorway.Choice; dns: readonly string[]; mtu: number }>;

/** What a configuration says of this router. */
async function router({ bus, ask }: Desk, endpoint: Endpoint | undefined): Promise<Result<Router>> {
  const sections = await uci.read(bus.call, 'weir');
  if (!sections.ok) return sections;
  const owner = settings.parseOwner(sections.value);
  if (!owner.ok) return { ok: false, fault: owner.faults[0] ?? fault('malformed', 'weir', 'wrong settings') };
  const facts = await ask('weir.enforcer', 'facts');
  const known = facts.ok ? door.decode(facts.value) : facts;
  if (!known.ok) return known;
  const { tunnel, limits } = owner.value;
  const { key, ways } = known.value;
  if (key === null) return fail('missing', 'key', 'the tunnel is not there yet: weir status says why');
  const at = doorway.choose(endpoint ?? tunnel.endpoint, ways, tunnel.port);
  if (!at.ok) return at;
  return ok({ key, at: at.value, dns: doorway.servers(ways, reach.blocked(limits.deny, limits.allow)), mtu: tunnel.mtu });
}

async function add(desk: Desk, { options: o, words: [name = ''] }: Invitation): Promise<Result<number>> {
  const { host, ask } = desk;
  // First, so that nobody is granted what nobody can reach.
  const here = await router(desk, o.endpoint);
  if (!here.ok) return here;
  const secret = o.key === undefined ? (host.random(32) as SecretKey) : null;
  const key = secret === null ? `${o.key}` : base64.encode(x25519.publicKey(secret));
  const answer = await ask('weir', 'friend_add', invitation(name, key, o));
  const opened = answer.ok ? told.decodeOpened(answer.value) : answer;
  if (!opened.ok) return opened;
  const { session, address4, address6, birth, grant } = opened.value;
  const { at, ...rest } = here.value;
  const config = wgquick.render({
    ...rest,
    address4,
    address6,
    endpoint: at.at,
    secret: secret === null ? null : base64.encode(secret),
    dns: o.dns ?? rest.dns,
  });
  const files = [
    ...(o.out === undefined ? [] : [host.files.create(o.out, new TextEncoder().encode(config), 0o600)]),
    ...(o.grant === undefined ? [] : [host.files.create(o.grant, new TextEncoder().encode(evidence.render([birth, grant])), 0o600)]),
  ];
  const unwritten = files.find((f) => !f.ok);
  // It cannot be had again, so it is shown all the same.
  if (o.out === undefined || unwritten !== undefined) host.print(`${config}\n`);
  if (secret !== null) host.print(codeOf(config));
  const notes = [
    ...(secret === null ? [] : ['Shown once: the key in it is kept nowhere. Whoever has it has the session.']),
    ...at.notes,
    ...(o.dns === undefined && rest.dns.length === 0
      ? ["no name servers: the uplink's are private, so the friend keeps asking its own; others by --dns"]
      : []),
  ];
  host.print(console.wrap('', `${name}: session ${session.slice(0, 8)} is open.`, 0));
  for (const note of notes) host.print(console.wrap('', note, 2));
  return unwritten?.ok === false ? unwritten : ok(0);
}

const invitation = (name: string, key: string, o: Invitation['options']): Table => [
  ...blobmsg.table({
    name: blobmsg.string(name),
    key: blobmsg.string(key),
    quota: blobmsg.int64(o.quota),
    rate_up: blobmsg.int64(o.rate.up),
    rate_down: blobmsg.int64(o.rate.down),
    seconds: blobmsg.int64(BigInt(o.days)),
  }),
  ...(o.until === undefined ? [] : blobmsg.table({ until: blobmsg.int64(BigInt(o.until)) })),
  ...(o.consumer === undefined ? [] : blobmsg.table({ consumer: blobmsg.string(o.consumer) })),
  ...(o.countersign === undefined ? [] : blobmsg.table({ witness: blobmsg.string(o.countersign) })),
  ...(o.credit === undefined ? [] : blobmsg.table({ credit: blobmsg.int64(o.credit) })),
];

function codeOf(config: string): string {
  // The quiet zone is the console's to make.
  const framed = encodeQR(config, 'raw', { ecc: 'low', border: 1 });
  return console.pixels(framed.slice(1, -1).map((row) => row.slice(1, -1))) ?? 'too long for a QR code on this console: take the text\n';
}

async function show(desk: Desk, { words: [name = ''] }: Readonly<{ words: readonly string[] }>): Promise<Result<number>> {
  const list = await listed(desk, 'friend_list');
  if (!list.ok) return list;
  const friend = list.value.find((s) => s.name === name);
  if (friend === undefined) return fail('missing', '', 'no friend of this name: weir friend list');
  const { session, condition, reason, up, down, left, address4, address6 } = friend;
  const here = await router(desk, undefined);
  const rows = [
    ['session', session],
    ['state', reason === null ? condition : `${condition}: ${reason}`],
    ['used', `${amount.renderSize(up)} up, ${amount.renderSize(down)} down${left === null ? '' : `; ${amount.renderSize(left)} left`}`],
    ['ends', `after ${amount.renderSpan(seconds(friend.seconds))} more`],
    ...(address4 === null || address6 === null ? [] : [['Address', `${address4}/32, ${address6}/128`]]),
    ...(here.ok
      ? [
          ['PublicKey', here.value.key],
          ['Endpoint', here.value.at.at],
        ]
      : []),
  ];
  desk.host.print(console.columns(rows, []));
  return here.ok ? ok(0) : here;
}

async function topUp(
  { host, ask }: Desk,
  { options: { quota, days }, words: [name = ''] }: Arguments<Pick<typeof options, 'quota' | 'days'>>,
): Promise<Result<number>> {
  const asked = blobmsg.table({
    name: blobmsg.string(name),
    nonce: blobmsg.string(hexOf(host.random(16))),
    ...(quota !== undefined && { quota: blobmsg.int64(quota) }),
    ...(days !== undefined && { seconds: blobmsg.int64(BigInt(days)) }),
  });
  const first = await ask('weir', 'friend_top_up', asked);
  // Under the same nonce it is given once.
  const answer = !first.ok && first.fault.code === 'timeout' ? await ask('weir', 'friend_top_up', asked) : first;
  if (answer.ok) host.print('done\n');
  return answer.ok ? ok(0) : answer;
}

async function remove({ host, ask }: Desk, { words: [name = ''] }: Readonly<{ words: readonly string[] }>): Promise<Result<number>> {
  const answer = await ask('weir', 'friend_remove', blobmsg.table({ name: blobmsg.string(name) }));
  if (answer.ok) host.print('done\n');
  return answer.ok ? ok(0) : answer;
}

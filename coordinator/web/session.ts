// Sessions: those that are there, and one of them with its chain of receipts, checked here.

import { ok, type Result, text } from '../../agent/core/result.ts';
import * as chart from './chart.ts';
import { check } from './check.ts';
import { badge, type Child, card, cards, el, figure, link, note, rows, save, section } from './element.ts';
import type { Checked, Step } from './verify.ts';
import { type Asking, more, type Page, picture, search, type View } from './view.ts';
import { amount, count, short, size, time, type Whole } from './words.ts';

export type Session = Readonly<{
  id: string;
  node: string;
  node_name: string | null;
  consumer: string;
  consumer_name: string | null;
  opened: number;
  condition: 'asked' | 'open' | 'refused';
  receipts: number;
  agreed: number;
  up: Whole;
  down: Whole;
  due: Whole;
  currency: string | null;
  final: string | null;
  broken: string | null;
  gap: boolean;
}>;

const endings: Readonly<Record<string, string>> = {
  expired: 'its time is over',
  spent: 'used up',
  idle: 'unused for too long',
  revoked: 'ended by the coordinator',
  owner: 'ended by the router’s owner',
  unwitnessed: 'countersignatures stayed away',
  quarantined: 'the router is in quarantine',
  lost: 'lost with a restart',
};

export const nodeOf = ({ who }: Asking, id: string, name: string | null): Child =>
  who.kind === 'operator' ? link(`routers/${id}`, name ?? id, name === null ? 'name' : null) : el('span', { class: 'name' }, id);
const consumerOf = ({ consumer, consumer_name }: Session): string => consumer_name ?? short(consumer);
export const sessionOf = (id: string): Child => link(`sessions/${id}`, id.slice(0, 8), 'name');

function stateOf({ condition, final, broken, gap }: Session): HTMLElement {
  if (broken !== null) return badge('bad', `nothing more is billed: ${broken}`);
  if (gap) return badge('warn', 'a receipt is missing');
  if (final !== null) return badge('plain', endings[final] ?? final);
  const kinds = { open: badge('good', 'open'), asked: badge('warn', 'asked of the router'), refused: badge('bad', 'refused') };
  return kinds[condition];
}

const usedOf = ({ up, down }: Session): bigint => BigInt(up) + BigInt(down);
const dueOf = ({ due, currency }: Session): string => (currency === null ? '–' : amount(due, currency));

export const table = (asking: Asking, sessions: readonly Session[], empty: string): HTMLElement =>
  rows(
    ['Session', 'Router', ...(asking.who.kind === 'operator' ? ['Consumer'] : []), 'Opened', 'Used', 'Due', 'Countersigned', 'State'],
    sessions.map((s) => [
      sessionOf(s.id),
      nodeOf(asking, s.node, s.node_name),
      ...(asking.who.kind === 'operator' ? [consumerOf(s)] : []),
      time(s.opened),
      figure(size(usedOf(s))),
      figure(dueOf(s)),
      `${s.agreed} of ${count(s.receipts, 'receipt')}`,
      stateOf(s),
    ]),
    empty,
  );

const perPage = 50;

/** sessions: the newest. sessions/open: those that are open. sessions/after/…, sessions/open/…: those behind. */
export const list: View = async (asking, [which, after]) => {
  const isOpen = which === 'open';
  const found = await asking.api.get<Page & { sessions: readonly Session[] }>(
    `/sessions?${search(perPage, after)}${isOpen ? '&open=true' : ''}`,
  );
  if (!found.ok) return found;
  return picture(found.value, ({ sessions, next }) => [
    el('nav', { class: 'choice' }, chosen('sessions', 'All', !isOpen), chosen('sessions/open', 'Open', isOpen)),
    section(null, table(asking, sessions, isOpen ? 'Nobody is in.' : 'There are no sessions yet.')),
    more(isOpen ? 'sessions/open' : 'sessions/after', { next }),
  ]);
};

export const chosen = (hash: string, words: string, is: boolean): HTMLElement => {
  const one = link(hash, words);
  if (is) one.setAttribute('aria-current', 'true');
  return one;
};

// ── One of them ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Dispute = Readonly<{
  sequence: number;
  reason: string;
  told_up: Whole;
  told_down: Whole;
  own_up: Whole | null;
  own_down: Whole | null;
  decided: string | null;
}>;
type Detail = Session &
  Readonly<{
    grant: Readonly<{
      quota: Readonly<{ kind: 'shared'; bytes: Whole }> | Readonly<{ kind: 'split'; up: Whole; down: Whole }>;
      rate: Readonly<{ up: Whole; down: Whole }>;
      until: number | null;
      witness: string;
      price: Readonly<{ micro: Whole; currency: string }> | null;
    }> | null;
    vouched_up: Whole | null;
    vouched_down: Whole | null;
    disputes: readonly Dispute[];
  }>;

type Check = Readonly<{ session: string; state: string; messages: string; checked: Result<Checked>; took: number }>;
/** What was checked last, and what is being checked. */
let done: Check | null = null;
let begun = '';
/** In milliseconds. What takes longer is not waited for, and not done again at every receipt. */
const quick = 1500;

/** null: it takes its time, and is there at a later look. */
async function checkOf(asking: Asking, session: Session): Promise<Result<Check | null>> {
  const { id, receipts, agreed, broken, gap } = session;
  const state = `${id} ${receipts} ${agreed} ${broken} ${gap}`;
  if (done?.session !== id) done = null;
  if (done?.state === state || begun === state || (done !== null && done.took > quick)) return ok(done);
  begun = state;
  const messages = await asking.api.text(`/sessions/${id}/evidence`);
  if (!messages.ok) begun = '';
  if (!messages.ok) return messages;
  const from = performance.now();
  const work = check({ messages: messages.value, root: asking.root }).then((checked) => {
    if (begun === state) done = { session: id, state, messages: messages.value, checked, took: performance.now() - from };
  });
  await Promise.race([work, new Promise((resolve) => setTimeout(resolve, quick))]);
  return ok(done);
}

export const one: View = async (asking, [id = '']) => {
  const found = await asking.api.get<Detail>(`/sessions/${id}`);
  if (!found.ok) return found;
  const check = await checkOf(asking, found.value);
  if (!check.ok) return check;
  return picture({ session: found.value, state: check.value?.state }, ({ session }) => [
    el('p', {}, link('sessions', '← All sessions')),
    el('h1', {}, 'Session ', el('span', { class: 'name' }, id)),
    summary(asking, session),
    ...(session.disputes.length === 0 ? [] : [section('Disputes of this session', disputes(session.disputes))]),
    section('Receipts', ...receipts(session, check.value)),
  ]);
};

function summary(asking: Asking, s: Detail): HTMLElement {
  const { grant } = s;
  const quota =
    grant === null ? null : grant.quota.kind === 'shared' ? BigInt(grant.quota.bytes) : BigInt(grant.quota.up) + BigInt(grant.quota.down);
  const used = usedOf(s);
  const says = quota === null ? size(used) : `${size(used)} of ${size(quota)}`;
  return cards(
    card('State', stateOf(s), `opened ${time(s.opened)}`, grant?.until ? `until ${time(grant.until)}` : null),
    card('Used', says, quota === null ? null : chart.part(Number(used), Number(quota), says), `${size(s.up)} up, ${size(s.down)} down`),
    card('Due', dueOf(s), grant?.price ? `${amount(grant.price.micro, grant.price.currency)} for a MiB` : 'no price'),
    card(
      'Countersigned',
      `${s.agreed} of ${s.receipts}`,
      grant?.witness === 'required' ? 'required: only these are paid' : 'not required',
      s.vouched_up === null ? null : `its consumer vouched for ${figures(s.vouched_up, s.vouched_down)}`,
    ),
    card('Router', nodeOf(asking, s.node, s.node_name)),
    card('Consumer', consumerOf(s)),
  );
}

/** What is said when it holds, and when it does not. */
const mark = (is: boolean | null, [yes, no]: readonly [string, string]): HTMLElement =>
  is === null ? el('span', { class: 'none' }, `– not ${yes}`) : el('span', { class: is ? 'yes' : 'no' }, is ? `✓ ${yes}` : `✗ ${no}`);

const shownMost = 100;

function receipts(session: Session, check: Check | null): readonly Child[] {
  if (check === null) return [note('plain', `Checking ${count(session.receipts, 'receipt')} in this browser…`)];
  const { checked, messages } = check;
  if (!checked.ok) return [note('bad', `The messages cannot be checked here: ${text(checked.fault)}.`)];
  const { steps, findings, messages: many } = checked.value;
  const inOrder = steps.toSorted((a, b) => a.sequence - b.sequence);
  const newest = inOrder.toReversed().slice(0, shownMost);
  const witnessed = steps.filter(({ isWitnessed }) => isWitnessed).length;
  const behind = session.receipts - (inOrder.at(-1)?.sequence ?? 0);
  return [
    findings.length === 0
      ? note(
          'good',
          `Checked in this browser: ${count(many, 'signed message')}, ${count(witnessed, 'countersignature')}, every link of the chain. All of it holds.`,
        )
      : note(
          'bad',
          `Checked in this browser: ${count(findings.length, 'finding')}.`,
          el('ul', {}, ...findings.slice(0, 20).map((finding) => el('li', {}, finding))),
        ),
    behind > 0 ? note('plain', `${count(behind, 'receipt')} came since; load the page anew to have them checked.`) : null,
    steps.length > 0 ? chain(inOrder) : null,
    rows(
      ['Receipt', 'Up', 'Down', 'Due', 'Router’s signature', 'Follows the one before', 'Countersignature', ''],
      newest.map((step) => [
        `${step.sequence}`,
        size(step.counted.up),
        size(step.counted.down),
        step.due === null ? '–' : amount(step.due.amount, step.due.price.currency),
        mark(step.isSigned, ['signed', 'forged']),
        mark(step.isLinked, ['follows', 'does not follow']),
        mark(step.isWitnessed, ['countersigned', 'forged']),
        step.final === null ? '' : badge('plain', `the last: ${endings[step.final] ?? step.final}`),
      ]),
      'No receipt has come yet. The router seals one when bytes have passed.',
      'dense',
    ),
    steps.length > shownMost ? el('p', {}, `The newest ${shownMost} of ${steps.length}; all were checked.`) : null,
    el(
      'p',
      {},
      el('button', { type: 'button', id: 'save', click: () => save(`${session.id}.txt`, messages) }, 'Save the signed messages'),
      ' ',
      el('small', {}, 'They need nobody’s word: ', el('code', {}, `scripts/verify ${session.id}.txt`)),
    ),
  ];
}

const bad = ({ isSigned, isLinked, isWitnessed }: Step): boolean => !isSigned || !isLinked || isWitnessed === false;

function chain(steps: readonly Step[]): HTMLElement {
  const sums = steps.map(({ counted }) => counted.up + counted.down);
  const all = steps.map((step, i): chart.Bar => {
    const grown = (sums[i] ?? 0n) - (sums[i - 1] ?? 0n);
    return {
      value: Math.max(0, Number(grown)),
      name: bad(step) ? 'false' : step.isWitnessed ? 'held' : 'told',
      says: `receipt ${step.sequence}: ${size(grown)}`,
    };
  });
  return el(
    'figure',
    {},
    el(
      'figcaption',
      { class: 'legend' },
      el('span', {}, 'Bytes that each receipt adds: '),
      el('span', { class: 'held' }, 'countersigned'),
      el('span', { class: 'told' }, 'by the router alone'),
      el('span', { class: 'false' }, 'does not hold'),
    ),
    chart.bars(all.slice(-shownMost), 'Bytes that each receipt adds'),
  );
}

export const decisionOf = (decided: string | null): Child =>
  decided === null ? badge('warn', 'open: what it bills is held') : `for the ${decided === 'node' ? 'router' : decided}`;

export function figures(up: Whole | null, down: Whole | null): string {
  return up === null || down === null ? '–' : `${size(BigInt(up) + BigInt(down))} (${size(up)} up, ${size(down)} down)`;
}

const disputes = (all: readonly Dispute[]): HTMLElement =>
  rows(
    ['Receipt', 'Because of', 'The router says', 'The consumer says', 'Decided'],
    all.map((d) => [`${d.sequence}`, d.reason, figures(d.told_up, d.told_down), figures(d.own_up, d.own_down), decisionOf(d.decided)]),
    '',
  );

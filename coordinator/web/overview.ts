// The first page: how many there are of what, what was billed over time, and who is in.

import * as chart from './chart.ts';
import { badge, card, cards, el, section } from './element.ts';
import * as session from './session.ts';
import type { Asking, View } from './view.ts';
import { picture } from './view.ts';
import { amount, type Whole } from './words.ts';

type Overview = Readonly<{
  nodes: number;
  here: number;
  sessions: number;
  open: number;
  receipts: number;
  disputes: number;
  findings: number;
  ledger: readonly { unit: string; sum: Whole; held: Whole }[];
}>;
type Traffic = Readonly<{ points: readonly chart.Point[] }>;

const spans = {
  minutes: { says: 'Ten minutes', step: 10, steps: 60 },
  hour: { says: 'An hour', step: 60, steps: 60 },
  day: { says: 'A day', step: 1800, steps: 48 },
};
type Span = keyof typeof spans;

/** Up to now; a step begins where the coordinator's steps do. */
export async function trafficOf({ api }: Asking, span: Span, node: string | null) {
  const { step, steps } = spans[span];
  const since = (Math.floor(Date.now() / 1000 / step) - steps + 1) * step;
  const found = await api.get<Traffic>(`/traffic?since=${since}&step=${step}${node === null ? '' : `&node=${node}`}`);
  return found.ok ? { ok: true as const, value: { ...found.value, since, step, steps } } : found;
}

/** overview/hour, minutes or day. */
export const view: View = async (asking, [which = '']) => {
  const span: Span = which === 'minutes' || which === 'day' ? which : 'hour';
  const [overview, traffic, open] = await Promise.all([
    asking.api.get<Overview>('/overview'),
    trafficOf(asking, span, null),
    asking.api.get<{ sessions: readonly session.Session[] }>('/sessions?open=true&limit=20'),
  ]);
  if (!overview.ok) return overview;
  if (!traffic.ok) return traffic;
  if (!open.ok) return open;
  return picture({ overview: overview.value, traffic: traffic.value, sessions: open.value.sessions }, (seen) => [
    cards(
      card('Routers', `${seen.overview.here} of ${seen.overview.nodes}`, 'connected'),
      card('Sessions', `${seen.overview.open}`, `open, of ${seen.overview.sessions.toLocaleString('en')} in all`),
      card('Receipts', seen.overview.receipts.toLocaleString('en'), 'taken into their chains'),
      card('Disputes', `${seen.overview.disputes}`, seen.overview.disputes === 0 ? 'nothing to decide' : badge('warn', 'to be decided')),
      card('Caught', `${seen.overview.findings}`, seen.overview.findings === 0 ? 'nobody has lied' : badge('bad', 'with evidence')),
      ...sums(seen.overview),
    ),
    section(
      'Billed over time',
      el(
        'nav',
        { class: 'choice' },
        ...Object.entries(spans).map(([name, { says }]) => session.chosen(`overview/${name}`, says, name === span)),
      ),
      chart.traffic(seen.traffic.points, seen.traffic.since, seen.traffic.step, seen.traffic.steps),
    ),
    section('Who is in', session.table(asking, seen.sessions, 'Nobody is in.')),
  ]);
};

const sums = ({ ledger }: Overview): readonly HTMLElement[] =>
  ledger.map(({ unit, sum, held }) =>
    card(
      unit === 'bytes' ? 'Ledger, bytes' : `Ledger, ${unit}`,
      BigInt(sum) === 0n ? 'sum 0' : `sum ${amount(sum, unit)}`,
      `${amount(held, unit)} held`,
    ),
  );

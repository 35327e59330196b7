// What is disputed, with both figures, and who was caught, with the evidence.

import { text } from '../../agent/core/result.ts';
import * as chart from './chart.ts';
import { type Child, el, rows, save, section } from './element.ts';
import * as session from './session.ts';
import type { Asking, View } from './view.ts';
import { more, type Page, picture, search } from './view.ts';
import { time, type Whole } from './words.ts';

type Dispute = Readonly<{
  session: string;
  sequence: number;
  reason: string;
  told_up: Whole;
  told_down: Whole;
  own_up: Whole | null;
  own_down: Whole | null;
  arrived: number;
  decided: string | null;
}>;
type Finding = Readonly<{
  id: number;
  node: string;
  node_name: string | null;
  session: string | null;
  code: string;
  path: string;
  reason: string;
  at: number;
}>;

const perPage = 50;

/** disputes/after/… and disputes/caught/…: the pages behind, of the one and of the other. */
export const view: View = async (asking, [which, after]) => {
  const of = (name: string): string => search(perPage, which === name ? after : undefined);
  const [disputes, findings] = await Promise.all([
    asking.api.get<Page & { disputes: readonly Dispute[] }>(`/disputes?${of('after')}`),
    asking.api.get<Page & { findings: readonly Finding[] }>(`/findings?${of('caught')}`),
  ]);
  if (!disputes.ok) return disputes;
  if (!findings.ok) return findings;
  return picture({ told: disputes.value, caught: findings.value }, ({ told, caught }) => [
    section(
      'Disputes',
      rows(
        ['Session', 'Receipt', 'Because of', 'The router says', 'The consumer says', 'Arrived', 'Decided'],
        told.disputes.map((d) => {
          const most = Math.max(sum(d.told_up, d.told_down), sum(d.own_up, d.own_down));
          return [
            session.sessionOf(d.session),
            `${d.sequence}`,
            d.reason,
            figure(d.told_up, d.told_down, most),
            figure(d.own_up, d.own_down, most),
            time(d.arrived),
            session.decisionOf(d.decided),
          ];
        }),
        'Nothing is disputed.',
      ),
      more('disputes/after', told),
      told.disputes.some(({ decided }) => decided === null)
        ? el(
            'p',
            {},
            el(
              'small',
              {},
              'An admin decides: ',
              el('code', {}, 'scripts/coordinator ask POST /sessions/SESSION/decision to=node'),
              ', or to=consumer.',
            ),
          )
        : null,
    ),
    section(
      'Caught',
      el('p', {}, 'What was signed and should not have been. The messages show it by themselves.'),
      rows(
        ['When', 'Router', 'Session', 'What', 'Evidence'],
        caught.findings.map((f) => [
          time(f.at),
          session.nodeOf(asking, f.node, f.node_name),
          f.session === null ? '–' : session.sessionOf(f.session),
          `${f.path} ${f.reason}`,
          evidence(asking, f),
        ]),
        'Nobody was caught.',
      ),
      more('disputes/caught', caught),
    ),
  ]);
};

const sum = (up: Whole | null, down: Whole | null): number => Number(up) + Number(down);

function figure(up: Whole | null, down: Whole | null, most: number): Child {
  const says = session.figures(up, down);
  return up === null ? says : el('div', {}, says, chart.part(sum(up, down), most, says));
}

function evidence({ api }: Asking, { id }: Finding): Child {
  const name = `finding-${id}.txt`;
  const button = el('button', { type: 'button', id: `finding-${id}`, click: () => keep() }, 'Save');
  async function keep(): Promise<void> {
    const messages = await api.text(`/findings/${id}/evidence`);
    if (messages.ok) save(name, messages.value);
    else button.textContent = text(messages.fault);
  }
  return button;
}

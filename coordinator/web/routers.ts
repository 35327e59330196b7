// The fleet, and one router of it.

import { ok, type Result, text } from '../../agent/core/result.ts';
import * as chart from './chart.ts';
import { check } from './check.ts';
import { badge, type Child, card, cards, el, link, note, rows, section } from './element.ts';
import { trafficOf } from './overview.ts';
import * as session from './session.ts';
import type { Checked } from './verify.ts';
import { type Asking, more, type Page, picture, search, type View } from './view.ts';
import { count, size, time, type Whole } from './words.ts';

type Node = Readonly<{
  id: string;
  name: string | null;
  fleet: string;
  standing: 'active' | 'quarantined' | 'revoked';
  here: boolean;
  heard: number | null;
  sessions: number;
  bytes: Whole;
  findings: number;
  waiting: number;
}>;

const standingOf = ({ standing, here }: Pick<Node, 'standing' | 'here'>): HTMLElement =>
  standing === 'revoked'
    ? badge('bad', 'revoked')
    : standing === 'quarantined'
      ? badge('bad', 'in quarantine')
      : here
        ? badge('good', 'connected')
        : badge('warn', 'not connected');

const perPage = 100;

/** routers/after/…: those behind. */
export const list: View = async (asking, [, after]) => {
  const found = await asking.api.get<Page & { nodes: readonly Node[] }>(`/nodes?${search(perPage, after)}`);
  if (!found.ok) return found;
  return picture(found.value, ({ nodes, next }) => [
    section(
      null,
      rows(
        ['Router', 'Fleet', 'State', 'Last heard', 'Open sessions', 'Carried in all', 'Caught', 'Commands waiting'],
        nodes.map((n) => [
          session.nodeOf(asking, n.id, n.name),
          n.fleet === '' ? '–' : n.fleet,
          standingOf(n),
          time(n.heard),
          `${n.sessions}`,
          size(n.bytes),
          n.findings === 0 ? '–' : badge('bad', `${n.findings}`),
          n.waiting === 0 ? '–' : `${n.waiting}`,
        ]),
        'No router has come yet. A claim code lets one in: scripts/coordinator ask POST /tickets kind=claim seconds=86400',
      ),
    ),
    more('routers/after', { next }),
  ]);
};

type Detail = Pick<Node, 'id' | 'name' | 'fleet' | 'standing' | 'here' | 'heard'> &
  Readonly<{
    enrolled: number;
    birth: Readonly<{
      version: string;
      host: string;
      starts: number;
      tunnel: Readonly<{ port: number; addresses: readonly string[] }> | null;
    }> | null;
    commands: readonly { id: number; kind: string; by: string; at: number; answered: number | null; outcome: string | null }[];
  }>;

let last: Readonly<{ node: string; at: number; checked: Result<Checked> }> | null = null;
/** In milliseconds. A router seals a root every few minutes. */
const fresh = 30_000;

async function rootsOf({ api, root }: Asking, node: string): Promise<Result<Result<Checked>>> {
  if (last?.node === node && Date.now() - last.at < fresh) return ok(last.checked);
  const messages = await api.text(`/nodes/${node}/evidence`);
  if (!messages.ok) return messages;
  const checked = await check({ messages: messages.value, root });
  last = { node, at: Date.now(), checked };
  return ok(checked);
}

export const one: View = async (asking, [id = '']) => {
  const { api } = asking;
  const [node, traffic, sessions, roots] = await Promise.all([
    api.get<Detail>(`/nodes/${id}`),
    trafficOf(asking, 'hour', id),
    api.get<{ sessions: readonly session.Session[] }>(`/sessions?node=${id}&limit=20`),
    rootsOf(asking, id),
  ]);
  if (!node.ok) return node;
  if (!traffic.ok) return traffic;
  if (!sessions.ok) return sessions;
  if (!roots.ok) return roots;
  const seen = { node: node.value, traffic: traffic.value, sessions: sessions.value.sessions, roots: roots.value };
  return picture(seen, ({ node, traffic, sessions, roots }) => [
    el('p', {}, link('routers', '← All routers')),
    el('h1', {}, 'Router ', node.name === null ? null : `${node.name} `, el('span', { class: 'name' }, id)),
    facts(node),
    section('Billed in the last hour', chart.traffic(traffic.points, traffic.since, traffic.step, traffic.steps)),
    section('Sessions', session.table(asking, sessions, 'It has had no session yet.')),
    section('Roots', ...rootsShown(roots)),
    section(
      'Commands',
      rows(
        ['Order', 'By', 'Given', 'Answered', 'Outcome'],
        node.commands.map((c) => [c.kind, c.by, time(c.at), c.answered === null ? '–' : time(c.answered), outcomeOf(c.outcome)]),
        'Nothing was ordered yet.',
        'dense',
      ),
    ),
  ]);
};

function facts(node: Detail): HTMLElement {
  const { birth } = node;
  return cards(
    card('State', standingOf(node), node.fleet === '' ? 'of no fleet' : `of fleet ${node.fleet}`),
    card('Last heard', time(node.heard), `enrolled ${time(node.enrolled)}`),
    ...(birth === null
      ? [card('Birth', 'none yet', 'it has not come since it was let in')]
      : [
          card('Version', birth.version, `on ${birth.host}, started ${count(birth.starts, 'time')}`),
          birth.tunnel === null
            ? card('Tunnel', 'none', 'it shares nothing now')
            : card('Tunnel', `port ${birth.tunnel.port}`, birth.tunnel.addresses.join(', ')),
        ]),
  );
}

/** As the router has signed it, in JSON. */
function outcomeOf(outcome: string | null): Child {
  if (outcome === null) return badge('warn', 'waiting');
  const { kind, path, reason } = JSON.parse(outcome) as Readonly<{ kind: string; path?: string; reason?: string }>;
  return kind === 'refused' ? badge('bad', `refused: ${path} ${reason}`) : kind;
}

const yes = (words: string): HTMLElement => el('span', { class: 'yes' }, `✓ ${words}`);
const no = (words: string): HTMLElement => el('span', { class: 'no' }, `✗ ${words}`);

function rootsShown(checked: Result<Checked>): readonly Child[] {
  if (!checked.ok) return [note('bad', `The roots cannot be checked here: ${text(checked.fault)}.`)];
  const { roots } = checked.value;
  const known = new Set(roots.map(({ number }) => number));
  return [
    el('p', {}, 'A root is one signed statement of how far every chain of the router has come. Checked in this browser.'),
    rows(
      ['Root', 'Chains', 'Signature', 'Follows the one before', 'Its receipts'],
      roots
        .toReversed()
        .map((r) => [
          `${r.number}`,
          `${r.size}`,
          r.isSigned ? yes('holds') : no('does not'),
          !known.has(r.number - 1) ? '–' : r.isLinked ? yes('holds') : no('does not'),
          r.isShown ? yes('are here and make it') : 'are not all here',
        ]),
      'None has come yet.',
    ),
  ];
}

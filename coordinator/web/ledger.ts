// The ledger: what each account owns and owes, that it all comes to nothing, and what was booked on one of them.

import { text } from '../../agent/core/result.ts';
import * as chart from './chart.ts';
import { badge, el, figure, link, note, rows, section } from './element.ts';
import * as session from './session.ts';
import { type Asking, more, type Page, picture, search, type View } from './view.ts';
import { amount, short, time, type Whole } from './words.ts';

type Account = Readonly<{ account: string; name: string | null; unit: string; amount: Whole }>;
type Entry = Account & Readonly<{ id: string; at: number }>;
type Overview = Readonly<{ ledger: readonly { unit: string; sum: Whole }[] }>;

const mostAccounts = 500;

const kinds: Readonly<Record<string, string>> = { cash: 'Cash', consumer: 'Consumer', node: 'Router', held: 'Held, of session' };
function accountOf(account: string, name: string | null): string {
  const [kind = '', id = ''] = account.split(/\/(.*)/s);
  return `${kinds[kind] ?? kind} ${name ?? (kind === 'node' ? id : short(id))}`.trim();
}

/** ledger/after/…: the accounts behind. */
export const view: View = async (asking, [, after]) => {
  const [found, overview] = await Promise.all([
    asking.api.get<Page & { accounts: readonly Account[] }>(`/ledger?${search(mostAccounts, after)}`),
    asking.who.kind === 'operator' ? asking.api.get<Overview>('/overview') : null,
  ]);
  if (!found.ok) return found;
  if (overview?.ok === false) return overview;
  return picture({ ...found.value, sums: overview?.value.ledger ?? null }, ({ accounts, next, sums }) => [
    ...units(accounts).map((unit) => {
      const own = accounts.filter((one) => one.unit === unit);
      const most = Math.max(...own.map((one) => Math.abs(Number(one.amount))));
      return section(
        unit === 'bytes' ? 'Bytes' : unit,
        sums === null ? null : sumOf(unit, sums, own, next === null && after === undefined),
        rows(
          ['Account', 'Balance', 'Owes · owns'],
          own.map((one) => {
            const says = amount(one.amount, unit);
            return [
              link(`ledger/${encodeURIComponent(one.account)}`, accountOf(one.account, one.name)),
              figure(says),
              chart.balance(Number(one.amount), most, says),
            ];
          }),
          '',
        ),
      );
    }),
    more('ledger/after', { next }),
    accounts.length === 0 ? el('p', { class: 'empty' }, 'Nothing is booked yet: a session’s first receipt is the first entry.') : null,
    asking.who.kind === 'operator' && accounts.length > 0 ? again(asking) : null,
  ]);
};

const units = (accounts: readonly Account[]): readonly string[] => [...new Set(accounts.map(({ unit }) => unit))];

function sumOf(unit: string, sums: Overview['ledger'], own: readonly Account[], isAll: boolean): HTMLElement {
  const told = BigInt(sums.find((one) => one.unit === unit)?.sum ?? 0);
  const here = own.reduce((sum, one) => sum + BigInt(one.amount), 0n);
  if (told !== 0n) return note('bad', `The coordinator’s sum of all accounts is ${amount(told, unit)}. It has to be 0.`);
  if (!isAll) return note('good', 'The sum of all accounts is 0, by the coordinator’s count.');
  return here === 0n
    ? note('good', 'The sum of all accounts is 0, added up here.')
    : note('bad', `The sum of all accounts is ${amount(here, unit)}, added up here. It has to be 0.`);
}

/** It takes its time, so it is asked for. */
let examined: HTMLElement | null = null;
function again({ api }: Asking): HTMLElement {
  const place = el('div', {}, examined);
  const button = el('button', { type: 'button', id: 'examine', click: () => examine() }, 'Add up every entry anew');
  async function examine(): Promise<void> {
    button.disabled = true;
    const found = await api.get<{ wrong: readonly string[] }>('/ledger/check');
    examined = !found.ok
      ? note('bad', text(found.fault))
      : found.value.wrong.length === 0
        ? note(
            'good',
            `At ${time(Date.now() / 1000)}: every balance is the sum of its entries, and what is booked for each session is what its last receipt says.`,
          )
        : note('bad', el('ul', {}, ...found.value.wrong.map((wrong) => el('li', {}, wrong))));
    place.replaceChildren(examined);
    button.disabled = false;
  }
  return el('div', {}, button, place);
}

const perPage = 100;

/** ledger/ACCOUNT: the newest. ledger/ACCOUNT/…: those behind. */
export const one: View = async (asking, [account = '', after]) => {
  const { api, who } = asking;
  const of = who.kind === 'operator' ? `&account=${encodeURIComponent(account)}` : '';
  const found = await api.get<Page & { entries: readonly Entry[] }>(`/ledger/entries?${search(perPage, after)}${of}`);
  if (!found.ok) return found;
  return picture(found.value, ({ entries, next }) => [
    el('p', {}, link('ledger', '← All accounts')),
    el('h1', {}, accountOf(account, entries[0]?.name ?? null)),
    section(
      null,
      rows(
        ['When', 'What', 'Session', 'Amount'],
        entries.map((e) => {
          const [from = '', sequence, why] = e.id.split('/');
          return [
            time(e.at),
            why === undefined ? (kinds[from] ?? from) : badge(why === 'agreed' ? 'good' : 'plain', `receipt ${sequence} ${why}`),
            why === undefined ? '–' : session.sessionOf(from),
            figure(amount(e.amount, e.unit)),
          ];
        }),
        'Nothing was booked on it.',
        'dense',
      ),
    ),
    more(`ledger/${encodeURIComponent(account)}`, { next }),
  ]);
};

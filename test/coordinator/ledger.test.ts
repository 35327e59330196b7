import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Receipt } from '../../agent/core/receipt.ts';
import * as ledger from '../../coordinator/core/ledger.ts';
import * as story from '../wire/story.ts';

const told = story.chain.map(({ value }) => value);
function at(i: number): Receipt {
  const one = told[i];
  if (one === undefined) throw new Error(`the story has no receipt ${i}`);
  return one;
}
const node = story.idOf('node');
const show = (transfers: readonly ledger.Transfer[]): string[] => transfers.map((t) => `${t.debit} → ${t.credit}: ${t.amount} ${t.unit}`);

const cases = [
  {
    name: 'the first is billed',
    made: ledger.billed('c', null, at(0)),
    want: [`consumer/c → held/${story.session}: 61500000 bytes`, `consumer/c → held/${story.session}: 70381 EUR`],
  },
  {
    name: 'then what came to it',
    made: ledger.billed('c', at(0), at(1)),
    want: [`consumer/c → held/${story.session}: 587500000 bytes`, `consumer/c → held/${story.session}: 672340 EUR`],
  },
  {
    name: 'agreed all at once',
    made: ledger.agreed(node, null, at(1)),
    want: [`held/${story.session} → node/${node}: 649000000 bytes`, `held/${story.session} → node/${node}: 742721 EUR`],
  },
  { name: 'nothing came to it', made: ledger.billed('c', at(1), at(1)), want: [] },
  { name: 'free', made: ledger.billed('c', null, { ...at(0), due: null }), want: [`consumer/c → held/${story.session}: 61500000 bytes`] },
];
const transfers = suite('ledger: transfers');
for (const c of cases) transfers(c.name, () => assert.equal(show(c.made), c.want));
transfers('a cause has one id', () => {
  const ids = [...ledger.billed('c', null, at(0)), ...ledger.billed('c', at(0), at(1)), ...ledger.agreed(node, null, at(1))].map(
    ({ id }) => id,
  );
  assert.is(new Set(ids).size, ids.length);
});
transfers.run();

/** By unit, then by account. */
function balanceOf(transfers: readonly ledger.Transfer[]): ReadonlyMap<string, ReadonlyMap<ledger.Account, bigint>> {
  const units = new Map<string, Map<ledger.Account, bigint>>();
  for (const { unit, debit, credit, amount } of transfers) {
    const accounts = units.get(unit) ?? new Map<ledger.Account, bigint>();
    accounts.set(debit, (accounts.get(debit) ?? 0n) - amount);
    accounts.set(credit, (accounts.get(credit) ?? 0n) + amount);
    units.set(unit, accounts);
  }
  return units;
}

const balance = suite('ledger: sums');
balance('each unit comes to nothing, and the held rest is what was not countersigned', () => {
  const all = told.flatMap((receipt, i) => ledger.billed('c', told[i - 1] ?? null, receipt));
  const units = balanceOf([...all, ...ledger.agreed(node, null, at(2))]);
  assert.equal([...units.keys()].sort(), ['EUR', 'bytes']);
  for (const accounts of units.values())
    assert.is(
      [...accounts.values()].reduce((sum, one) => sum + one, 0n),
      0n,
    );
  assert.is(units.get('bytes')?.get(ledger.held(story.session)), 4_999_000_000n - 709_100_000n);
  assert.is(units.get('EUR')?.get(ledger.consumer('c')), -(at(3).due?.amount ?? 0n));
});
balance.run();

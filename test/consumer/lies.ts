// The table of lies in docs/THREATS.md: each row is a session in which somebody lies, and what came of it. `node scripts/run.mjs
// scripts/lies.ts` writes it; lies.test.ts holds the page to it.

import { renderSize } from '../../agent/core/amount.ts';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Receipt } from '../../agent/core/receipt.ts';
import type { Pair } from '../../agent/core/seat.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import * as story from '../wire/story.ts';
import { dear, grant, live, type Script, type Told, unwitnessed } from './world.ts';

export const page = 'docs/THREATS.md';
/** Where the table stands in the page. */
export const place = /<!-- lies -->\n([\s\S]*?)\n<!-- end of lies -->/;

export type Row = Readonly<{
  who: 'consumer' | 'router';
  lie: string;
  /** nobody: it is not seen, and the stake is what the lie was worth in the session. */
  seen: 'router' | 'consumer' | 'whoever holds both' | 'nobody';
  /** What shows it. */
  by: string;
  /** Bytes served without a word of the consumer, or billed and never passed, when it is seen. */
  after: bigint;
  /** The same at the end: carried for nothing, or countersigned and never passed. */
  stake: bigint;
}>;

const consumerLies = (lie: string, script: Pick<Script, 'lie' | 'writes'>): Row => {
  const told = live({ ...script, honest: 3, rounds: 2000 });
  if (told.throttled === null || told.cut === null) throw new Error(`${lie}: was served for ever`);
  const isDisputed = told.disputed !== null;
  const after = told.disputed === null ? told.throttled : told.disputed.passed - (told.witnessed?.passed ?? 0n);
  return { who: 'consumer', lie, seen: 'router', by: isDisputed ? 'its signed dispute' : 'the credit', after, stake: told.cut };
};

const tooMuch = ({ billed, passed }: Readonly<{ billed: bigint; passed: bigint }>): bigint => (billed > passed ? billed - passed : 0n);

function routerLies(lie: string, script: Omit<Script, 'rounds'>, rounds = 360): Row {
  const told = live({ ...script, rounds });
  const { disputed } = told;
  const row = { who: 'router', lie } as const;
  if (disputed === null) {
    const worth = tooMuch(told.witnessed ?? told) + (script.noise ?? 0n) * 10n * BigInt(rounds);
    return { ...row, seen: 'nobody', by: '–', after: worth, stake: worth };
  }
  const by = `dispute: ${disputed.reason}`;
  return { ...row, seen: 'consumer', by, after: tooMuch(disputed), stake: told.witnessed === null ? 0n : tooMuch(told.witnessed) };
}

/** The router tells its coordinator another chain than its consumer. Each chain alone is whole. */
function otherStory(): Row {
  const told = live({ rounds: 60 });
  const more = live({ rounds: 60, bill: raised(30n) });
  const birth = cose.encode(story.sign('birth', story.birth, 'node'));
  const granted = cose.encode(story.sign('grant', grant, 'coordinator'));
  const textOf = ({ chain }: Told): Uint8Array[] => chain.map(({ signed, witness }) => cose.encode({ ...signed, witness }));
  // The consumer's word is on what the consumer heard; on the other story there is none.
  const theirs = more.chain.map(({ signed }) => cose.encode(signed));
  const examine = (messages: readonly Uint8Array[]): evidence.Report =>
    evidence.examine([birth, granted, ...messages], [story.keyOf('coordinator')], hashes);
  const alone = examine(theirs);
  const both = examine([...textOf(told), ...theirs]);
  const [finding] = both.findings;
  if (finding === undefined || alone.findings.length > 0 || alone.sessions[0]?.witnessed !== null)
    throw new Error('the other story is no lie');
  const worth = tooMuch(more);
  return {
    who: 'router',
    lie: 'tells its coordinator of 30 % more than its consumer',
    seen: 'whoever holds both',
    by: `no countersignature; ${finding.fault.reason.replace(/ \d+, unlike.*/, ' of one number')}`,
    after: worth,
    stake: 0n,
  };
}

const raised =
  (percent: bigint) =>
  ({ up, down }: Pair<ByteCount>): Pair<ByteCount> => ({ up, down: (down + (down * percent) / 100n) as ByteCount });
const invented = 100_000n;
/** Bytes that never entered the tunnel. */
function claimed() {
  let rounds = 0n;
  return ({ up, down }: Pair<ByteCount>): Pair<ByteCount> => {
    rounds += 1n;
    return { up, down: (down + rounds * 10n * invented) as ByteCount };
  };
}
/** Every five minutes. */
export const seldom = (round: number): boolean => round % 30 === 29;
const twice = (receipt: Receipt): Receipt => (receipt.sequence === 5 ? { ...receipt, sequence: 4 } : receipt);
const backwards = (receipt: Receipt): Receipt => (receipt.sequence === 5 ? { ...receipt, packets: { up: 0n, down: 0n } } : receipt);

export const rows = (): readonly Row[] => [
  consumerLies('says it counted half', { lie: 'less' }),
  consumerLies('stops to answer', { lie: 'silent' }),
  consumerLies('vouches between receipts, and countersigns none', { lie: 'vouching', writes: seldom }),
  consumerLies('answers with an old countersignature', { lie: 'replay' }),
  consumerLies('countersigns something else', { lie: 'other' }),
  routerLies('bills 30 % more', { bill: raised(30n) }),
  routerLies('bills 10 % more', { bill: raised(10n) }),
  routerLies('bills 4 % more: within the band', { bill: raised(4n) }),
  routerLies('bills packets that never entered the tunnel, 0.1 MB in a second', { bill: claimed() }),
  routerLies('bills 30 % more; the consumer has no key', { bill: raised(30n), grant: unwitnessed }),
  routerLies('floods the tunnel with packets of its own, 0.1 MB in a second', { noise: invented }),
  routerLies('leaves a receipt out', { shows: (sequence) => sequence !== 5 }),
  routerLies('tells one number twice', { write: twice }),
  routerLies('lets figures go back', { write: backwards }),
  routerLies('asks a millionth too much', { write: dear }),
  otherStory(),
];

export function render(all: readonly Row[]): string {
  const size = (bytes: bigint): string => (bytes === 0n ? '0' : renderSize(bytes));
  return [
    '| who lies | how | seen by | what shows it | bytes when it is seen | in the end |',
    '|---|---|---|---|---:|---:|',
    ...all.map(({ who, lie, seen, by, after, stake }) => `| ${who} | ${lie} | ${seen} | ${by} | ${size(after)} | ${size(stake)} |`),
  ].join('\n');
}

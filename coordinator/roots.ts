// Roots: what a node signs about all its chains at once. Kept as they come, held against the receipts when these had their time to come, and
// forgotten when they are old. Knows no broker and no clock.

import { millis } from '../agent/core/brand.ts';
import { fault, ok, type Result, under } from '../agent/core/result.ts';
import type { Sealed } from '../agent/core/root.ts';
import * as roots from '../agent/core/root.ts';
import type { Digest, KeyId, SessionId } from '../agent/core/signed.ts';
import * as cose from '../agent/wire/cose.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as wire from '../agent/wire/receipt.ts';
import type { Wish } from './book.ts';
import * as book from './book.ts';
import { hashes } from './hashes.ts';
import type { Query } from './ports/database.ts';
import * as registry from './registry.ts';

/** In seconds after a root: the last receipts may wait a minute for their consumers; and what nobody acknowledged is said again in an hour. */
const firstLook = 120;
const lastLook = 4200;
const mostKept = 128;
const mostChains = 200;
/** Nothing is under way for so long. */
const lag = 60;

/** `signed` was verified to be this node's. */
export async function take(
  query: Query,
  node: KeyId,
  signed: cose.Verified,
  now: number,
): Promise<Result<Readonly<{ number: number; digest: Digest }>>> {
  const read = cose.read(signed, 'root', wire.root);
  if (!read.ok) return read;
  const { number, previous } = read.value;
  const digest = cose.digestOf(signed, hashes);
  const near = await query<{ number: bigint; digest: string; bytes: Uint8Array }>(
    'select number, digest, bytes from root where node = $1 and number between $2 and $3',
    [node, number - 1, number],
  );
  const twin = near.find((one) => Number(one.number) === number && one.digest !== digest);
  const before = near.filter((one) => Number(one.number) === number - 1);
  await query('insert into root values ($1, $2, $3, $4, $5, $6) on conflict do nothing', [
    node,
    number,
    digest,
    cose.encode(signed),
    now,
    now + firstLook,
  ]);
  const old = 'select arrived from root where node = $1 order by arrived desc offset $2 limit 1';
  await query(`delete from root where node = $1 and arrived < (${old})`, [node, mostKept]);
  if (twin !== undefined)
    await registry.find(query, node, null, fault('forged', 'root.number', 'was told twice'), [twin.bytes, cose.encode(signed)], now);
  const [first] = before;
  if (first !== undefined && !before.some((one) => one.digest === previous))
    await registry.find(
      query,
      node,
      null,
      fault('forged', 'root.previous', 'the chain of roots forks'),
      [first.bytes, cose.encode(signed)],
      now,
    );
  return ok({ number, digest });
}

type RootRow = Readonly<{ node: KeyId; digest: Digest; bytes: Uint8Array; arrived: bigint; heard: bigint | null }>;

/** Holds the next that is due against the receipts. What is asked for may yet make it whole; after that it is a finding. */
export async function judge(query: Query, now: number): Promise<readonly Wish[]> {
  const [due] = await query<RootRow>(
    `select node, digest, bytes, arrived, heard from root join node on node.id = node where look <= $1 order by look limit 1`,
    [now],
  );
  if (due === undefined) return [];
  const { node, digest, arrived, heard } = due;
  const root = book.reread(due.bytes, wire.root.read);
  const [before] = await query<{ bytes: Uint8Array }>('select bytes from root where node = $1 and digest = $2', [node, root.previous]);
  const earlier = before === undefined ? null : book.reread(before.bytes, wire.root.read);
  const verdict = roots.judge(root, earlier, await chainsOf(query, node, arrived), treeOf);
  const last = arrived + BigInt(lastLook);
  // A node that is away says later what it has to say.
  const isOver = BigInt(now) >= last && heard !== null && heard >= last;
  const isDone = verdict.kind === 'shown' || (BigInt(now) >= last && verdict.kind === 'open') || isOver;
  const next = isDone ? null : BigInt(now) < last ? last : now + lastLook;
  await query('update root set look = $3 where node = $1 and digest = $2', [node, digest, next]);
  if (verdict.kind !== 'wrong') return [];
  if (!isOver) return verdict.ends.map(({ session, sequence }) => ({ node, session, from: sequence + 1 }));
  const evidence = [...(before === undefined ? [] : [before.bytes]), due.bytes, ...(await around(query, verdict.heads))];
  await registry.find(query, node, null, under('root', verdict.fault), evidence, now);
  return [];
}

const treeOf = (heads: Parameters<typeof roots.headsOf>[0]): string => hexOf(roots.headsOf(heads, wire.encodeHead, hashes.sha256));

/** Of those sessions that a root of that time can cover, the receipts from the last one on that was there before. Of a broken chain nothing
 *  is known. */
async function chainsOf(query: Query, node: KeyId, arrived: bigint): Promise<readonly (readonly Sealed[])[]> {
  const rows = await query<Omit<Sealed, 'sequence' | 'up'> & Readonly<{ sequence: bigint; up: bigint }>>(
    `select session, sequence, digest, boot, up, receipt.final from receipt join (
       select id, (select coalesce(max(sequence), 0) from receipt where session = session.id and arrived < $2) as first from session
       where node = $1 and broken is null and (final is null or exists (
         select 1 from receipt where session = session.id and sequence = session.head and arrived >= $3)) order by opened desc limit $4) as s
     on session = s.id and sequence >= s.first where standing <> 'evidence' and boot is not null order by session, sequence`,
    [node, arrived - BigInt(lag), arrived - BigInt(2 * lastLook), mostChains],
  );
  const chains = new Map<SessionId, Sealed[]>();
  for (const row of rows) {
    const chain = chains.get(row.session) ?? [];
    chain.push({ ...row, sequence: Number(row.sequence), up: millis(Number(row.up)) });
    chains.set(row.session, chain);
  }
  return [...chains.values()];
}

/** Each head and what follows it. */
async function around(query: Query, heads: readonly Pick<Sealed, 'session' | 'sequence'>[]): Promise<readonly Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const { session, sequence } of heads)
    for (const { bytes } of await query<{ bytes: Uint8Array }>(
      `select bytes from receipt where session = $1 and sequence between $2 and $2 + 1 and standing <> 'evidence' order by sequence`,
      [session, sequence],
    ))
      found.push(bare(bytes));
  return found;
}

/** Without the countersignature, which says nothing where the grant is not beside it. */
function bare(bytes: Uint8Array): Uint8Array {
  const signed = cose.decode(bytes);
  if (!signed.ok) throw new Error('the database holds a receipt that cannot be read');
  return cose.encode({ ...signed.value, witness: null });
}

/** The newest, oldest first, and the ends of those chains that the last one can hold: of sessions that are open or closed not long before. */
export async function newest(query: Query, node: KeyId): Promise<readonly Uint8Array[]> {
  const all = await query<{ bytes: Uint8Array; arrived: bigint }>(
    'select bytes, arrived from root where node = $1 order by number desc, digest limit 20',
    [node],
  );
  const ends = await query<{ bytes: Uint8Array }>(
    `select ends.bytes from session cross join lateral (
       select bytes from receipt where session = session.id and standing = 'accepted' order by sequence desc limit 3) as ends
     where node = $1 and (final is null or exists (
       select 1 from receipt where session = session.id and sequence = session.head and arrived >= $2)) order by opened desc limit 200`,
    [node, all[1]?.arrived ?? 0n],
  );
  return [...all.toReversed().map(({ bytes }) => bytes), ...ends.map(({ bytes }) => bare(bytes))];
}

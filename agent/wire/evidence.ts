// What can be said of a heap of signed messages by whoever has nothing else: which signatures hold, which chains are whole, what they come to.
// Needs no agent, no coordinator and no clock. As text: a message in hex on each line; empty lines and those after # are passed over.

import * as births from '../core/birth.ts';
import type { ByteCount, PublicKey } from '../core/brand.ts';
import type { Grant } from '../core/grant.ts';
import { mostOf } from '../core/grant.ts';
import type { Hashes } from '../core/hash.ts';
import type { Dispute, Due, Ending, Receipt } from '../core/receipt.ts';
import * as receipts from '../core/receipt.ts';
import { type Fault, fail, fault, ok, type Result } from '../core/result.ts';
import * as roots from '../core/root.ts';
import type { Pair } from '../core/seat.ts';
import { sumOf } from '../core/seat.ts';
import type { Digest, GrantId, KeyId, SessionId } from '../core/signed.ts';
import { grantId } from '../core/signed.ts';
import { birth } from './command.ts';
import * as cose from './cose.ts';
import { enrolment } from './enrol.ts';
import { bytesOf, type Form, hexOf } from './form.ts';
import { certificate, grant } from './grant.ts';
import * as wire from './receipt.ts';

export type Finding = Readonly<{ where: string; fault: Fault }>;
export type Told = Readonly<{
  session: SessionId;
  node: KeyId;
  /** How many of its receipts are here, and the number of the last. */
  receipts: number;
  last: number;
  counted: Pair<ByteCount>;
  due: Due | null;
  /** The last receipt that the consumer countersigned; null: none here. */
  witnessed: number | null;
  /** Bytes that the consumer vouched for, where a voucher says more than what it countersigned; null: none. */
  vouched: bigint | null;
  /** What the consumer signed against its receipts. */
  disputes: readonly Dispute[];
  final: Ending | null;
}>;
export type Report = Readonly<{
  messages: number;
  sessions: readonly Told[];
  /** `isShown`: the chains here make the tree that it signs. */
  roots: readonly Readonly<{ node: KeyId; number: number; isShown: boolean }>[];
  findings: readonly Finding[];
}>;

export function parse(text: string): Result<readonly Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const hex = line.replace(/#.*/, '').trim();
    if (hex === '') continue;
    if (!/^([0-9a-f]{2})+$/.test(hex)) return fail('malformed', `line ${i + 1}`, 'expected a message in hex, in lower case');
    messages.push(bytesOf(hex));
  }
  return ok(messages);
}

export const render = (messages: readonly Uint8Array[]): string => messages.map((bytes) => `${hexOf(bytes)}\n`).join('');

type Item<T> = Readonly<{ where: string; signed: cose.Signed; digest: Digest; value: T }>;

/** `trusted`: keys known from elsewhere; a root's among them makes certificates count as vouched for. */
export function examine(messages: readonly Uint8Array[], trusted: readonly PublicKey[], hashes: Hashes): Report {
  const findings: Finding[] = [];
  const find = (where: string, why: Fault): void => void findings.push({ where, fault: why });
  const decoded = messages.flatMap((bytes, i) => {
    const [where, signed] = [`message ${i + 1}`, cose.decode(bytes)];
    if (!signed.ok) find(where, signed.fault);
    return signed.ok ? [{ where, signed: signed.value, digest: cose.digestOf(signed.value, hashes) }] : [];
  });
  const keys = new Map<KeyId, PublicKey>();
  const know = (key: PublicKey): void => void keys.set(cose.keyIdOf(key, hashes), key);
  trusted.forEach(know);

  /** Those of a kind whose signature holds. `ownKey`: of messages that say the key they are signed with. */
  function verified<T>(kind: cose.Kind, form: Form<T>, ownKey: (value: T) => PublicKey | null = () => null): Item<T>[] {
    return decoded.flatMap((item) => {
      const { where, signed } = item;
      if (signed.kind !== kind) return [];
      const value = form.read(signed.body);
      if (!value.ok) find(where, value.fault);
      if (!value.ok) return [];
      const key = ownKey(value.value) ?? keys.get(signed.signer);
      const held =
        key === undefined ? fail('stranger', 'protected.4', `nobody here knows ${signed.signer}`) : cose.verify(signed, key, hashes);
      if (!held.ok) find(where, held.fault);
      return held.ok ? [{ ...item, value: value.value }] : [];
    });
  }

  const born = verified('birth', birth, ({ key }) => key);
  for (const [i, { where, signed, value }] of born.entries()) {
    know(value.key);
    for (const before of born.slice(0, i).filter((one) => one.signed.signer === signed.signer))
      for (const wrong of births.faultsBetween(before.value, value)) find(where, wrong);
  }
  for (const { value } of verified('certificate', certificate)) know(value.key);
  const enrolled = verified('enrol', enrolment, ({ key }) => key);
  for (const [i, { where, signed, value }] of enrolled.entries())
    if (enrolled.slice(0, i).some((one) => one.value.name === value.name && one.signed.signer !== signed.signer))
      find(where, fault('exists', 'name', `the code ${value.name} is shown by a second key`));
  const grants = new Map<GrantId, Item<Grant>>(verified('grant', grant).map((item) => [grantId(item.digest), item]));

  const consumerOf = (session: SessionId): PublicKey | null => grants.get(session)?.value.consumer ?? null;
  const disputes = verified('dispute', wire.dispute, ({ session }) => consumerOf(session));
  const vouchers = verified('voucher', wire.voucher, ({ session }) => consumerOf(session));
  function vouchedFor(session: SessionId, chain: readonly Item<Receipt>[], witnessed: number | null): bigint | null {
    const signed = chain.find(({ value }) => value.sequence === witnessed);
    let most = signed === undefined ? 0n : sumOf(signed.value.counted);
    const least = most;
    for (const { value } of vouchers)
      if (value.session === session && consumerOf(session) !== null && sumOf(value.counted) > most) most = sumOf(value.counted);
    return most > least ? most : null;
  }

  const sessions = new Map<SessionId, Item<Receipt>[]>();
  for (const item of verified('receipt', wire.receipt).toSorted((a, b) => a.value.sequence - b.value.sequence)) {
    const chain = sessions.get(item.value.session) ?? [];
    sessions.set(item.value.session, [...chain, item]);
  }
  const told = [...sessions].map(([session, chain]): Told => {
    const granted = grants.get(session);
    if (granted === undefined) find(`session ${session}`, fault('missing', 'grant', 'is not among the messages'));
    const later = [...grants.values()].filter(({ value }) => value.session === session);
    const most = granted === undefined ? null : mostOf([granted, ...later].map(({ value }) => value));
    const known = new Set(later.map(({ digest }) => grantId(digest)));
    let witnessed: number | null = null;
    for (const [i, item] of chain.entries()) {
      const { where, value, signed, digest } = item;
      const before = chain[i - 1];
      if (before?.value.sequence === value.sequence) {
        if (before.digest !== digest)
          find(where, fault('forged', 'sequence', `a second receipt ${value.sequence}, unlike ${before.where}`));
      } else for (const wrong of faultsAt(before, item, granted)) find(where, wrong);
      // Of terms that are not here nobody can say how much they were.
      if (value.terms === null || known.has(value.terms)) for (const wrong of receipts.faultsOfQuota(value, most)) find(where, wrong);
      if (granted !== undefined && signed.signer !== granted.value.node)
        find(where, fault('stranger', 'protected.4', 'not the node granted'));
      if (signed.witness === null) continue;
      const consumer = consumerOf(session);
      if (consumer !== null && cose.isWitnessed(signed, signed.witness, consumer, hashes)) witnessed = value.sequence;
      else find(where, fault('forged', 'unprotected.12', 'no countersignature of this session’s consumer'));
    }
    const disputed = disputes.filter(({ value }) => value.session === session);
    for (const { where, value } of disputed) {
      const named = chain.filter((one) => one.value.sequence === value.sequence);
      const faults = named.map(({ digest }) => receipts.faultsOfDispute(value, { ...value, digest }));
      const [wrong] = faults.every(({ length }) => length > 0) ? faults.flat() : [];
      if (wrong !== undefined) find(where, wrong);
    }
    const last = chain.at(-1);
    if (last === undefined) throw new Error('a session without a receipt');
    const numbers = new Set(chain.map(({ value }) => value.sequence));
    const { counted, due, final, sequence } = last.value;
    return {
      session,
      node: last.signed.signer,
      receipts: numbers.size,
      last: sequence,
      counted,
      due,
      witnessed,
      vouched: vouchedFor(session, chain, witnessed),
      disputes: disputed.map(({ value }) => value),
      final,
    };
  });

  const all = verified('root', wire.root).toSorted((a, b) => a.value.number - b.value.number);
  for (const [i, { where, signed, value, digest }] of all.entries()) {
    const before = all.slice(0, i).findLast((one) => one.signed.signer === signed.signer);
    if (before === undefined || before.value.number + 1 < value.number) continue;
    if (before.value.number === value.number) {
      if (before.digest !== digest) find(where, fault('forged', 'number', `a second root ${value.number}, unlike ${before.where}`));
    } else if (value.previous !== before.digest) find(where, fault('forged', 'previous', 'the chain of roots forks'));
  }
  const shown = all.map(({ where, signed, value }) => {
    const { signer } = signed;
    const before = all.find((one) => one.signed.signer === signer && one.digest === value.previous)?.value ?? null;
    const chains = [...sessions.values()].map((chain) =>
      chain.filter((one, n) => one.signed.signer === signer && one.digest !== chain[n - 1]?.digest).map(sealedIn),
    );
    const verdict = roots.judge(value, before, chains, (heads) => hexOf(roots.headsOf(heads, wire.encodeHead, hashes.sha256)));
    if (verdict.kind === 'wrong') find(where, verdict.fault);
    return { node: signer, number: value.number, isShown: verdict.kind === 'shown' };
  });
  return { messages: messages.length, sessions: told, roots: shown, findings };
}

const sealedIn = ({ value, digest }: Item<Receipt>): roots.Sealed => ({ ...value, digest });

function faultsAt(before: Item<Receipt> | undefined, { value }: Item<Receipt>, granted: Item<Grant> | undefined): readonly Fault[] {
  if (before !== undefined) return receipts.faultsBetween(before.value, before.digest, value);
  if (granted === undefined) return receipts.faultsOf(value);
  return receipts.faultsOfFirst({ session: value.session, sequence: 0, digest: granted.digest }, granted.value, value);
}

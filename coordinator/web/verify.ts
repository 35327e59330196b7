// Checks signed messages anew, here, with nothing believed but the coordinator's root key: each signature, each link of a chain, each
// countersignature, each root. A worker's program, because signatures take their time. What a receipt says is read from what was signed.

import type { ByteCount, PublicKey } from '../../agent/core/brand.ts';
import type { Due, Ending } from '../../agent/core/receipt.ts';
import { type Fault, type Result, text } from '../../agent/core/result.ts';
import type { Pair } from '../../agent/core/seat.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { bytesOf } from '../../agent/wire/form.ts';
import * as wire from '../../agent/wire/receipt.ts';

/** false: it does not hold. null: there is none to check. */
export type Step = Readonly<{
  sequence: number;
  counted: Pair<ByteCount>;
  due: Due | null;
  final: Ending | null;
  isSigned: boolean;
  isLinked: boolean;
  isWitnessed: boolean | null;
  faults: readonly Fault[];
}>;
export type Root = Readonly<{ number: number; size: number; isSigned: boolean; isLinked: boolean; isShown: boolean }>;
export type Checked = Readonly<{ messages: number; steps: readonly Step[]; roots: readonly Root[]; findings: readonly string[] }>;
export type Question = Readonly<{ messages: string; root: string }>;

const ofSignature = ['signature', 'protected.4'];
const ofWitness = ['unprotected.12'];

function verify({ messages, root }: Question): Result<Checked> {
  const parsed = evidence.parse(messages);
  if (!parsed.ok) return parsed;
  const report = evidence.examine(parsed.value, [bytesOf(root) as PublicKey], portable);
  const read = parsed.value.map((bytes, i) => {
    const signed = cose.decode(bytes);
    const faults = report.findings.filter(({ where }) => where === `message ${i + 1}`).map(({ fault }) => fault);
    const has = (paths: readonly string[]): boolean => faults.some(({ path }) => paths.includes(path));
    const isSigned = !has(ofSignature);
    return {
      signed: signed.ok ? signed.value : null,
      faults,
      isSigned,
      isFalse: has(ofWitness),
      isLinked: isSigned && !faults.some(isOfLink),
    };
  });
  const steps = read.flatMap(({ signed, faults, isSigned, isLinked, isFalse }): Step[] => {
    const receipt = signed?.kind === 'receipt' ? wire.receipt.read(signed.body) : null;
    if (signed === null || receipt === null || !receipt.ok) return [];
    const { sequence, counted, due, final } = receipt.value;
    return [
      { sequence, counted, due, final, isSigned, isLinked, isWitnessed: signed.witness === null ? null : isSigned && !isFalse, faults },
    ];
  });
  const roots = read.flatMap(({ signed, isSigned, isLinked }): Root[] => {
    const told = signed?.kind === 'root' ? wire.root.read(signed.body) : null;
    if (told === null || !told.ok) return [];
    const { number, size } = told.value;
    return [{ number, size, isSigned, isLinked, isShown: report.roots.some((one) => one.number === number && one.isShown) }];
  });
  return {
    ok: true,
    value: { messages: report.messages, steps, roots, findings: report.findings.map(({ where, fault }) => `${where}: ${text(fault)}`) },
  };
}

const isOfLink = ({ path }: Fault): boolean => ![...ofSignature, ...ofWitness, 'heads'].includes(path);

addEventListener('message', ({ data }: MessageEvent<Question>) => postMessage(verify(data)));

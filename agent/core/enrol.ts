// How a node comes to belong to somebody at a coordinator: by a code that was given out, claim code and fleet token alike. Knows no signature
// and no hash.

import type { Brand, Millis, PublicKey } from './brand.ts';
import { millis } from './brand.ts';
import { type Code as FaultCode, fail, ok, type Result } from './result.ts';
import type { Digest, KeyId, Nonce } from './signed.ts';

/** Its first letters name it, the other 80 bits are a secret. */
export type Code = Brand<string, 'EnrolmentCode'>;

/** As people type it. A secret: no Fault repeats it. */
export function parseCode(text: string): Result<Code> {
  const code = text.toLowerCase().replace(/[- ]/g, '');
  return /^[a-z2-7]{20}$/.test(code) ? ok(code as Code) : fail('malformed', '', 'expected 20 letters and digits from 2 to 7');
}

/** What a coordinator gives out: a code, and behind an @ whose it is, so that one line says all. */
export type Claim = Readonly<{ code: Code; root: string | null }>;

export function parseClaim(text: string): Result<Claim> {
  const [, before = '', root = null] = /^([^@]*)(?:@([0-9a-f]{64}))?$/.exec(text) ?? [];
  const code = parseCode(before);
  return code.ok ? ok({ code: code.value, root }) : code;
}

export const nameOf = (code: Code): string => code.slice(0, 4);

/** Of a node, by its own key. */
export type Enrolment = Readonly<{
  key: PublicKey;
  epoch: Nonce;
  starts: number;
  /** Who is asked. */
  root: KeyId;
  name: string;
  /** That the node knows the code, which holds for this key, this start and this root alone. */
  proof: Digest;
}>;

export type Answer = Readonly<{ kind: 'enrolled' }> | Readonly<{ kind: 'refused'; code: FaultCode; path: string; reason: string }>;
export type Answered = Readonly<{ node: KeyId; epoch: Nonce; answer: Answer }>;

/** How long a question may go unanswered before it is asked again. */
export const patience = (asked: number): Millis => millis(60_000 * Math.min(60, 2 ** Math.min(asked, 6)));

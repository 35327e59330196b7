// The consumer's book of one session: the chain as far as it was seen, and what was answered to it. A receipt goes in, an answer comes out:
// a countersignature, a dispute, or the wish for one that is missing. Knows no socket and no file, and no counter but by its figure.

import type { ByteCount } from '../core/brand.ts';
import type { Hashes } from '../core/hash.ts';
import type { Dispute, Link, Receipt, Voucher } from '../core/receipt.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Pair } from '../core/seat.ts';
import type { Digest, SessionId } from '../core/signed.ts';
import * as witness from '../core/witness.ts';
import type { Signer } from '../crypto/ed25519.ts';
import * as cbor from '../wire/cbor.ts';
import * as cose from '../wire/cose.ts';
import * as form from '../wire/form.ts';
import * as names from '../wire/names.ts';
import * as wire from '../wire/receipt.ts';
import type { Terms } from './terms.ts';

/** What was said about a receipt: said again whenever the receipt comes again. */
type Answer = Readonly<{ sequence: number; digest: Digest; bytes: Uint8Array }>;

export type Book = Readonly<{
  session: SessionId;
  /** By the consumer's own counters, in the whole session. */
  own: Pair<ByteCount>;
  /** The end of the chain as far as it was seen. */
  last: witness.Before;
  /** The newest receipt that was agreed with. */
  agreed: number | null;
  /** Oldest first. */
  answers: readonly Answer[];
  /** How often the receipt after `last` was asked for. */
  asked: number;
  /** The router told its chain twice, or backwards: nothing of it is countersigned any more. */
  isBroken: boolean;
}>;

export const begin = (session: SessionId): Book => ({
  session,
  own: { up: 0n as ByteCount, down: 0n as ByteCount },
  last: null,
  agreed: null,
  answers: [],
  asked: 0,
  isBroken: false,
});

const mostAnswers = 32;
/** Who is asked so often, and shows only what follows, has lost it. */
const mostAsked = 8;

/** known: it came again, and gets the same answer again. */
export type Heard = Readonly<{ book: Book; receipt: Receipt; opinion: witness.Opinion | Readonly<{ kind: 'known' }>; reply: Uint8Array }>;

/** What to answer to a message that came. A Fault: nothing, since it is no receipt of this session's router. */
export function hear(terms: Terms, book: Book, message: Uint8Array, signer: Signer, hashes: Hashes): Result<Heard> {
  const decoded = cose.decode(message);
  const signed = decoded.ok ? cose.verify(decoded.value, terms.node, hashes) : decoded;
  if (!signed.ok) return signed;
  const read = cose.read(signed.value, 'receipt', wire.receipt);
  if (!read.ok) return read;
  const { session, last, answers, asked } = book;
  const receipt = read.value;
  const { sequence } = receipt;
  if (receipt.session !== session) return fail('denied', 'receipt.session', 'of another session');
  const digest = cose.digestOf(signed.value, hashes);
  const known = answers.find((answer) => answer.digest === digest);
  if (known !== undefined) return ok({ book, receipt, opinion: { kind: 'known' }, reply: known.bytes });
  // Late on its way: whether this number was told otherwise then is not kept.
  if (last !== null && sequence <= last.receipt.sequence && !answers.some((answer) => answer.sequence === sequence))
    return fail('stale', 'receipt.sequence', 'was answered long ago');
  const judged = witness.judge(terms, last, receipt, book.own);
  if (judged.kind === 'wanting' && !book.isBroken && asked < mostAsked) {
    const reply = wire.encodeDatagram({ kind: 'wanted', from: judged.from });
    return ok({ book: { ...book, asked: asked + 1 }, receipt, opinion: judged, reply });
  }
  const opinion = book.isBroken ? broken : judged.kind === 'wanting' ? lacking(judged) : judged;
  const bytes =
    opinion.kind === 'agreed'
      ? wire.encodeDatagram({ kind: 'witnessed', session, sequence, signature: cose.witness(signed.value, signer) })
      : wire.encodeDatagram({ kind: 'disputed', dispute: dispute(book, { session, sequence, digest }, opinion.reason, signer, hashes) });
  const answered = { ...book, answers: [...answers, { sequence, digest, bytes }].slice(-mostAnswers) };
  // A gap is no break: figures are cumulative, so the chain is taken up again behind it, and the dispute remains as the word about it.
  const isBroken = book.isBroken || (judged.kind === 'disputed' && judged.reason === 'chain');
  const agreed = opinion.kind === 'agreed' ? sequence : book.agreed;
  return ok({
    book: isBroken ? { ...answered, isBroken } : { ...answered, last: { receipt, digest }, agreed, asked: 0 },
    receipt,
    opinion,
    reply: bytes,
  });
}

const broken = { kind: 'disputed', reason: 'chain' } as const;
const lacking = ({ terms }: Extract<witness.Opinion, { kind: 'wanting' }>): Extract<witness.Opinion, { kind: 'disputed' }> =>
  terms === null ? broken : { kind: 'disputed', reason: 'terms' };

function dispute({ own }: Book, link: Link, reason: Dispute['reason'], signer: Signer, hashes: Hashes): Uint8Array {
  const said: Dispute = { ...link, reason, counted: reason === 'bytes' ? own : null };
  return cose.encode(cose.sign('dispute', wire.dispute.write(said), signer, hashes));
}

/** What passed by now, where there is no receipt of it yet; null: that is not what we say. */
export function vouch(
  { session, own, isBroken }: Book,
  { session: of, counted }: Voucher,
  signer: Signer,
  hashes: Hashes,
): Uint8Array | null {
  if (isBroken || of !== session || !witness.isWithin(counted, own)) return null;
  return cose.encode(cose.sign('voucher', wire.voucher.write({ session, counted }), signer, hashes));
}

// ── As it is kept ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const sequence = form.whole(1, Number.MAX_SAFE_INTEGER);
const kept: form.Form<Book> = form.record({
  session: [1, names.grantId],
  own: [2, form.pair(form.byteCount)],
  last: [3, form.maybe(form.tuple({ receipt: wire.receipt, digest: names.digest }))],
  agreed: [4, form.maybe(sequence)],
  answers: [5, form.list(form.tuple({ sequence, digest: names.digest, bytes: form.bytes(1, 4096) }), 0, mostAnswers)],
  asked: [6, form.whole(0, Number.MAX_SAFE_INTEGER)],
  isBroken: [7, form.truth],
});

export const encode = (book: Book): Uint8Array => cbor.encode(kept.write(book));

export function decode(bytes: Uint8Array): Result<Book> {
  const value = cbor.decode(bytes);
  return value.ok ? kept.read(value.value) : value;
}

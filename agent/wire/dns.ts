// DNS messages (RFC 1035, AAAA by RFC 3596): the question for addresses and the answers to it. Sends nothing and believes nothing: id,
// sender and time are the resolver's (adapters/resolver.ts).

import { addressOf, renderAddress } from '../core/ip.ts';
import { fail, ok, type Result } from '../core/result.ts';
import * as reader from './reader.ts';

export type Family = 4 | 6;
export type Question = Readonly<{ name: string; family: Family }>;

export type Answer =
  | Readonly<{ kind: 'address'; owner: string; family: Family; address: string }>
  | Readonly<{ kind: 'alias'; owner: string; target: string }>;

export type Response = Readonly<{
  id: number;
  /** null: it repeats no question, or one that we cannot have asked. */
  question: Question | null;
  /** Cut to fit a datagram; the answers were left unread. */
  truncated: boolean;
  /** RCODE: 0 no error, 2 server failed, 3 no such name, 5 refused. */
  code: number;
  answers: readonly Answer[];
}>;

const typeA = 1;
const typeCname = 5;
const typeAaaa = 28;
const classIn = 1;
const isResponse = 0x8000;
const isTruncated = 0x0200;
const recursionDesired = 0x0100;

const typeOf = (family: Family): number => (family === 4 ? typeA : typeAaaa);
const familyOf = (type: number): Family | null => (type === typeA ? 4 : type === typeAaaa ? 6 : null);

/** Names compare without case (RFC 4343); a final dot says nothing. */
export const canonical = (name: string): string => name.toLowerCase().replace(/\.$/, '');

export function encodeQuery(id: number, question: Question): Result<Uint8Array> {
  const name = canonical(question.name);
  const labels = name.split('.');
  if (name.length > 253 || !labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) {
    return fail('malformed', '', 'expected a host name: labels of 1 to 63 letters, digits, - or _, at most 253 in all');
  }
  const bytes = new Uint8Array(12 + name.length + 2 + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, recursionDesired);
  view.setUint16(4, 1);
  let at = 12;
  for (const label of labels) {
    bytes[at++] = label.length;
    for (const character of label) bytes[at++] = character.charCodeAt(0);
  }
  view.setUint16(at + 1, typeOf(question.family));
  view.setUint16(at + 3, classIn);
  return ok(bytes);
}

export function decodeResponse(bytes: Uint8Array): Result<Response> {
  const r = reader.open(bytes);
  const header: number[] = [];
  for (let i = 0; i < 6; i++) {
    const word = reader.u16be(r);
    if (!word.ok) return word;
    header.push(word.value);
  }
  const [id = 0, flags = 0, questions = 0, ...records] = header;
  if ((flags & isResponse) === 0) return fail('malformed', 'flags', 'a query, not a response');
  // A server may leave the question out when it failed; nobody asks two.
  if (questions > 1) return fail('malformed', 'questions', `${questions} questions`);
  const question = questions === 0 ? ok(null) : readQuestion(r);
  if (!question.ok) return question;
  const response = { id, question: question.value, code: flags & 0x0f };
  if ((flags & isTruncated) !== 0) return ok({ ...response, truncated: true, answers: [] });

  const answers: Answer[] = [];
  for (const [section, count] of records.entries()) {
    for (let i = 0; i < count; i++) {
      const record = readRecord(r);
      if (!record.ok) return record;
      if (section === 0 && record.value !== null) answers.push(record.value);
    }
  }
  if (reader.left(r) > 0) return fail('malformed', `byte ${r.at}`, `${reader.left(r)} bytes after the last record`);
  return ok({ ...response, truncated: false, answers });
}

/** The addresses that the answers lead to, along their aliases. The order of the records means nothing. */
export function addressesOf(question: Question, answers: readonly Answer[]): Result<readonly string[]> {
  const seen = new Set<string>();
  for (let owner = canonical(question.name); !seen.has(owner); ) {
    seen.add(owner);
    const found = answers.flatMap((a) => (a.kind === 'address' && a.owner === owner && a.family === question.family ? [a.address] : []));
    if (found.length > 0) return ok(found);
    const alias = answers.find((a) => a.kind === 'alias' && a.owner === owner);
    if (alias?.kind !== 'alias') return fail('missing', '', `no address of IPv${question.family}`);
    owner = alias.target;
  }
  return fail('malformed', '', 'its aliases run in a circle');
}

function readQuestion(r: reader.Reader): Result<Question | null> {
  const name = readName(r);
  if (!name.ok) return name;
  const type = reader.u16be(r);
  if (!type.ok) return type;
  const cls = reader.u16be(r);
  if (!cls.ok) return cls;
  const family = familyOf(type.value);
  return ok(family === null || cls.value !== classIn ? null : { name: name.value, family });
}

/** null: a record of a kind that is nothing to us. */
function readRecord(r: reader.Reader): Result<Answer | null> {
  const owner = readName(r);
  if (!owner.ok) return owner;
  const type = reader.u16be(r);
  if (!type.ok) return type;
  const cls = reader.u16be(r);
  if (!cls.ok) return cls;
  // Nothing is cached, so the time to live is nothing to us.
  const ttl = reader.u32be(r);
  if (!ttl.ok) return ttl;
  const size = reader.u16be(r);
  if (!size.ok) return size;
  const value = reader.part(r, size.value);
  if (!value.ok) return value;
  if (cls.value !== classIn) return ok(null);
  if (type.value === typeCname) {
    const target = readName(value.value);
    if (!target.ok) return target;
    if (reader.left(value.value) > 0) return fail('malformed', `byte ${value.value.at}`, 'bytes after the name of an alias');
    return ok({ kind: 'alias', owner: owner.value, target: target.value });
  }
  const family = familyOf(type.value);
  if (family === null) return ok(null);
  const address = addressOf(reader.rest(value.value));
  if (!address.ok || address.value.length !== (family === 4 ? 4 : 16)) {
    return fail('malformed', `byte ${r.at - size.value}`, `${size.value} bytes are no address of IPv${family}`);
  }
  return ok({ kind: 'address', owner: owner.value, family, address: renderAddress(address.value) });
}

/** In lower case, without the final dot. A name may end in a pointer to an earlier one (RFC 1035 §4.1.4). */
function readName(r: reader.Reader): Result<string> {
  const labels: string[] = [];
  let length = 0;
  let from = r;
  let start = r.at;
  for (;;) {
    const size = reader.u8(from);
    if (!size.ok) return size;
    if (size.value === 0) break;
    if (size.value >= 0xc0) {
      const low = reader.u8(from);
      if (!low.ok) return low;
      const target = ((size.value & 0x3f) << 8) | low.value;
      // Only ever further back: a circle of pointers would keep us here.
      if (target >= start) return fail('malformed', `byte ${from.at - 2}`, 'a pointer that does not lead back');
      start = target;
      from = { view: r.view, at: target, end: r.view.byteLength };
      continue;
    }
    if (size.value > 63) return fail('malformed', `byte ${from.at - 1}`, 'a label of a kind that never was');
    const label = reader.part(from, size.value);
    if (!label.ok) return label;
    length += size.value + 1;
    if (length > 254) return fail('malformed', `byte ${from.at}`, 'a name longer than 255 bytes');
    // A dot inside a label must not pass for one between labels.
    labels.push(String.fromCharCode(...reader.rest(label.value)).replaceAll('.', '\\.'));
  }
  return ok(canonical(labels.join('.')));
}

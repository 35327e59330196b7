import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as dns from '../../agent/wire/dns.ts';

const word = (n: number): number[] => [n >> 8, n & 0xff];
const name = (text: string): number[] => [
  ...text.split('.').flatMap((l) => [l.length, ...l].map((c) => (typeof c === 'number' ? c : c.charCodeAt(0)))),
  0,
];
const header = (flags: number, questions: number, answers: number, authorities = 0, additional = 0): number[] =>
  [0x1234, flags, questions, answers, authorities, additional].flatMap(word);
const question = [...name('a.test'), ...word(1), ...word(1)];
const record = (owner: number[], type: number, value: number[], cls = 1): number[] => [
  ...owner,
  ...word(type),
  ...word(cls),
  0,
  0,
  0,
  60,
  ...word(value.length),
  ...value,
];
const toQuestion = [0xc0, 12];
const bytes = (...parts: number[][]): Uint8Array => Uint8Array.from(parts.flat());

const full = bytes(
  header(0x8180, 1, 4, 1, 1),
  question,
  record(toQuestion, 5, [1, 0x62, 0xc0, 14]),
  record([1, 0x62, 0xc0, 14], 1, [192, 0, 2, 1]),
  record(name('B.TEST'), 28, [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
  record(toQuestion, 16, [3, 0x74, 0x78, 0x74]),
  record([0xc0, 14], 6, [0]),
  // EDNS0 (RFC 6891): the root as owner, the payload size as class.
  record([0], 41, [], 1232),
);

const encode = suite('dns.encodeQuery');
const queries = [
  { name: 'a name', in: 'a.test', want: bytes([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], question) },
  { name: 'case and the final dot say nothing', in: 'A.Test.', want: bytes([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], question) },
  { name: 'underscore', in: '_x.b', want: bytes([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name('_x.b'), word(1), word(1)) },
];
for (const c of queries)
  encode(c.name, () => assert.equal(dns.encodeQuery(0x1234, { name: c.in, family: 4 }), { ok: true, value: c.want }));
for (const bad of ['', '.', 'a..b', '.a', 'a b', 'ä.test', 'a/b', `${'x'.repeat(64)}.test`, `${'x.'.repeat(126)}xx`]) {
  encode(`refuses "${bad.slice(0, 20)}"`, () => {
    const r = dns.encodeQuery(1, { name: bad, family: 6 });
    assert.is(r.ok ? 'encoded' : `${r.fault.code} ${r.fault.path}`, 'malformed ');
  });
}
encode('takes labels of 63 and a name of 253', () => {
  const longest = `${'x'.repeat(63)}.${'x'.repeat(63)}.${'x'.repeat(63)}.${'x'.repeat(61)}`;
  assert.is(longest.length, 253);
  assert.ok(dns.encodeQuery(1, { name: longest, family: 4 }).ok);
});
encode.run();

const decode = suite('dns.decodeResponse');
decode('aliases, both families, pointers, and what is nothing to us', () => {
  assert.equal(dns.decodeResponse(full), {
    ok: true,
    value: {
      id: 0x1234,
      question: { name: 'a.test', family: 4 },
      truncated: false,
      code: 0,
      answers: [
        { kind: 'alias', owner: 'a.test', target: 'b.test' },
        { kind: 'address', owner: 'b.test', family: 4, address: '192.0.2.1' },
        { kind: 'address', owner: 'b.test', family: 6, address: '2001:db8::1' },
      ],
    },
  });
});
decode('every truncation is a Fault', () => {
  for (let size = 0; size < full.length; size++) {
    const r = dns.decodeResponse(full.subarray(0, size));
    assert.is(r.ok ? `${size} bytes decoded` : r.fault.code, 'malformed');
    assert.match(r.ok ? '' : r.fault.path, /^byte \d+$/);
  }
});
decode('every single byte changed: never throws, never hangs', () => {
  for (let at = 0; at < full.length; at++) {
    for (const flip of [0x01, 0x80, 0xc0, 0xff]) dns.decodeResponse(full.map((b, i) => (i === at ? b ^ flip : b)));
  }
});

const responses = [
  { name: 'no such name', in: bytes(header(0x8183, 1, 0), question), want: { code: 3, truncated: false, answers: [] } },
  { name: 'server failed and left the question out', in: bytes(header(0x8182, 0, 0)), want: { code: 2, truncated: false, answers: [] } },
  {
    name: 'truncated: the answers are not looked at',
    in: bytes(header(0x8380, 1, 9), question),
    want: { code: 0, truncated: true, answers: [] },
  },
  {
    name: 'another class',
    in: bytes(header(0x8180, 1, 1), question, record(toQuestion, 1, [1, 2, 3, 4], 3)),
    want: { code: 0, truncated: false, answers: [] },
  },
];
for (const c of responses) {
  decode(c.name, () => {
    const r = dns.decodeResponse(c.in);
    if (!r.ok) throw new Error(r.fault.reason);
    const { code, truncated, answers } = r.value;
    assert.equal({ code, truncated, answers }, c.want);
  });
}
decode('a question that we cannot have asked', () => {
  const r = dns.decodeResponse(bytes(header(0x8180, 1, 0), name('a.test'), word(15), word(1)));
  assert.is(r.ok && r.value.question, null);
});
decode('a dot inside a label is no border', () => {
  const r = dns.decodeResponse(bytes(header(0x8180, 1, 0), [6, ...[...'a.test'].map((c) => c.charCodeAt(0)), 0], word(1), word(1)));
  assert.is(r.ok && r.value.question?.name, 'a\\.test');
});

const refused = [
  { name: 'a query', in: bytes(header(0x0100, 1, 0), question), path: 'flags' },
  { name: 'two questions', in: bytes(header(0x8180, 2, 0), question, question), path: 'questions' },
  { name: 'bytes after the end', in: bytes(header(0x8180, 1, 0), question, [0]), path: 'byte 24' },
  { name: 'a pointer to itself', in: bytes(header(0x8180, 1, 0), [0xc0, 12], word(1), word(1)), path: 'byte 12' },
  { name: 'a pointer forward', in: bytes(header(0x8180, 1, 0), [0xc0, 14], word(1), word(1)), path: 'byte 12' },
  { name: 'a circle of pointers', in: bytes(header(0x8180, 1, 0), [1, 0x61, 0xc0, 12], word(1), word(1)), path: 'byte 14' },
  { name: 'a pointer beyond the message', in: bytes(header(0x8180, 1, 0), [0xff, 0xff], word(1), word(1)), path: 'byte 12' },
  { name: 'a label of an unknown kind', in: bytes(header(0x8180, 1, 0), [0x40, 0], word(1), word(1)), path: 'byte 12' },
  {
    name: 'a name too long',
    in: bytes(header(0x8180, 1, 0), Array.from({ length: 130 }, () => [1, 0x61]).flat(), [0], word(1), word(1)),
    path: 'byte 268',
  },
  {
    name: 'an IPv4 address of 5 bytes',
    in: bytes(header(0x8180, 1, 1), question, record(toQuestion, 1, [1, 2, 3, 4, 5])),
    path: 'byte 36',
  },
  { name: 'an IPv6 address of 4 bytes', in: bytes(header(0x8180, 1, 1), question, record(toQuestion, 28, [1, 2, 3, 4])), path: 'byte 36' },
  {
    name: 'an alias with bytes behind it',
    in: bytes(header(0x8180, 1, 1), question, record(toQuestion, 5, [0xc0, 12, 0])),
    path: 'byte 38',
  },
];
for (const c of refused) {
  decode(`refuses ${c.name}`, () => {
    const r = dns.decodeResponse(c.in);
    assert.is(r.ok ? 'decoded' : `${r.fault.code} ${r.fault.path}`, `malformed ${c.path}`);
  });
}
decode.run();

const addresses = suite('dns.addressesOf');
const alias = (owner: string, target: string): dns.Answer => ({ kind: 'alias', owner, target });
const at = (owner: string, address: string): dns.Answer => ({ kind: 'address', owner, family: address.includes(':') ? 6 : 4, address });
const chains = [
  { name: 'direct', answers: [at('a', '1.1.1.1'), at('a', '2.2.2.2')], want: '1.1.1.1 2.2.2.2' },
  { name: 'along aliases in any order', answers: [at('c', '3.3.3.3'), alias('b', 'c'), alias('a', 'b')], want: '3.3.3.3' },
  { name: 'of our family alone', answers: [at('a', '::1'), at('a', '4.4.4.4')], want: '4.4.4.4' },
  { name: 'nothing', answers: [], want: 'missing' },
  { name: 'of somebody else', answers: [at('b', '5.5.5.5')], want: 'missing' },
  { name: 'an alias to nowhere', answers: [alias('a', 'b')], want: 'missing' },
  { name: 'a circle', answers: [alias('a', 'b'), alias('b', 'a')], want: 'malformed' },
];
for (const c of chains) {
  addresses(c.name, () => {
    const r = dns.addressesOf({ name: 'A', family: 4 }, c.answers);
    assert.is(r.ok ? r.value.join(' ') : r.fault.code, c.want);
  });
}
addresses.run();

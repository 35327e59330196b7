import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Message, Out } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import { bytesOf, hexOf } from './hex.ts';
import { big, little, orders, plain, settle } from './kernel.ts';

const write = suite('netlink writes');
function everything(o: Out): void {
  netlink.message(o, 0x0a12, netlink.request | netlink.wantAck, 7, () => {
    netlink.put32(o, 0x01020304);
    netlink.u8(o, 1, 0xff);
    netlink.u16(o, 2, 0x0102);
    netlink.u32(o, 3, 0x01020304);
    netlink.u32be(o, 4, 0x01020304);
    netlink.u64be(o, 5, 0x0102030405060708n);
    netlink.text(o, 6, 'wan');
    netlink.flag(o, 7);
    netlink.nest(o, 8, () => netlink.bytes(o, 1, Uint8Array.of(1, 2, 3, 4, 5)));
  });
}
const written = [
  {
    name: 'little-endian',
    dialect: little,
    want:
      '5c000000120a05000700000000000000' + // length, type, flags, sequence, port
      '04030201' +
      '05000100ff000000' +
      '0600020002010000' +
      '0800030004030201' +
      '0800040001020304' +
      '0c0005000102030405060708' +
      '0800060077616e00' +
      '04000700' +
      '10000880' +
      '090001000102030405000000',
  },
  {
    name: 'big-endian',
    dialect: big,
    want:
      '0000005c0a1200050000000700000000' +
      '01020304' +
      '00050001ff000000' +
      '0006000201020000' +
      '0008000301020304' +
      '0008000401020304' +
      '000c00050102030405060708' +
      '0008000677616e00' +
      '00040007' +
      '00108008' +
      '000900010102030405000000',
  },
];
for (const c of written)
  write(c.name, () => {
    const o = netlink.open(c.dialect);
    everything(o);
    assert.is(hexOf(netlink.done(o)), c.want);
  });
write('more than the first buffer holds', () => {
  const o = netlink.open(little);
  for (let seq = 0; seq < 500; seq++) netlink.message(o, 16, 1, seq, () => netlink.text(o, 1, 'x'.repeat(100)));
  const read = netlink.decode(netlink.done(o), little);
  assert.is(read.ok && read.value.length, 500);
  assert.is(read.ok && read.value[499]?.seq, 499);
});
write.run();

const field = netlink.after(
  4,
  (f, at) => ({ head: f.view.getUint32(at, f.dialect.little) }),

  { u32: [3, netlink.asU32], name: [6, netlink.asText] },
  {
    u8: [1, netlink.asU8],
    u16: [2, netlink.asU16],
    be: [4, netlink.asU32be],
    u64: [5, netlink.asU64be],
    list: [8, netlink.asList(netlink.asBytes)],
    absent: [99, netlink.asU8],
  },
);
function only(hex: string, dialect: netlink.Dialect): Message {
  const read = netlink.decode(bytesOf(hex), dialect);
  if (!read.ok || read.value.length !== 1 || read.value[0] === undefined) throw new Error('expected one message');
  return read.value[0];
}

const read = suite('netlink reads');
for (const c of written) {
  read(c.name, () => {
    const value = netlink.read(only(c.want, c.dialect), field);
    assert.equal(plain(value.ok && value.value), {
      head: 0x01020304,
      u8: 0xff,
      u16: 0x0102,
      u32: 0x01020304,
      be: 0x01020304,
      u64: `${0x0102030405060708n}n`,
      name: 'wan',
      list: ['0102030405'],
    });
  });
  read(`${c.name}, in the middle of a larger buffer`, () => {
    const whole = new Uint8Array(200);
    whole.set(bytesOf(c.want), 60);
    const messages = netlink.decode(whole.subarray(60, 152), c.dialect);
    const value = messages.ok && messages.value[0] ? netlink.read(messages.value[0], field) : null;
    assert.is(value?.ok && value.value.name, 'wan');
  });
}
read('a name is bytes', () => {
  for (const [, d] of orders) {
    const o = netlink.open(d);
    netlink.message(o, 16, 1, 1, () => netlink.text(o, 1, 'wär\x80'));
    const [m] = (netlink.decode(netlink.done(o), d) as { value: readonly Message[] }).value;
    const value = m && netlink.read(m, netlink.attributes({ name: [1, netlink.asText] }, {}));
    assert.equal(value, { ok: true, value: { name: 'wär\x80' } });
  }
});
const refused = [
  { name: 'a length beyond the end', hex: '11000000100000000000000000000000', path: 'byte 0' },
  { name: 'a length less than a header', hex: '0f000000100000000000000000000000', path: 'byte 0' },
  { name: 'half a header', hex: '1000000010000000', path: 'byte 0' },
  { name: 'half a second message', hex: '10000000100000000000000000000000' + '1000', path: 'byte 16' },
  { name: 'an error without a number', hex: '10000000020000000100000000000000', path: 'byte 16' },
  { name: 'an error without the header it answers', hex: '1400000002000000010000000000000000000000', path: 'byte 16' },
  { name: 'a dump that ends in half a number', hex: '120000000300000001000000000000000000' + '0000', path: 'byte 16' },
  {
    name: 'an error that echoes more than there is',
    hex: '24000000020000020100000000000000' + 'ffffffff' + '14010000000000000000000000000000',
    path: 'byte 20',
  },
  {
    name: 'an error with half a word of the kernel',
    hex: '28000000020000030100000000000000' + 'ffffffff' + '14000000000000000000000000000000' + '09000100',
    path: 'byte 36',
  },
];
for (const c of refused)
  read(`refuses ${c.name}`, () => {
    const r = netlink.decode(bytesOf(c.hex), little);
    assert.is(r.ok ? '' : r.fault.code, 'malformed');
    assert.is(r.ok ? '' : r.fault.path, c.path);
  });
const wrong = [
  { name: 'a value of another size', hex: '0700030001020300' + '0800060077616e00', code: 'malformed', path: 'u32.byte 24' },
  { name: 'a missing attribute', hex: '0800030001020304', code: 'missing', path: 'name' },
  { name: 'a length of less than its header', hex: '0300030001020304', code: 'malformed', path: 'byte 20' },
  { name: 'a length beyond the message', hex: '0900030001020304', code: 'malformed', path: 'byte 20' },
  {
    name: 'a list that does not fit',
    hex: '0800030001020304' + '0800060077616e00' + '0800080009000100',
    code: 'malformed',
    path: 'list.byte 40',
  },
];
for (const c of wrong)
  read(`refuses ${c.name}`, () => {
    const size = (20 + c.hex.length / 2).toString(16).padStart(2, '0');
    const r = netlink.read(only(`${size}000000100000000000000000000000${'00000000'}${c.hex}`, little), field);
    assert.is(r.ok ? '' : r.fault.code, c.code);
    assert.is(r.ok ? '' : r.fault.path, c.path);
  });
read('every truncation of a message is a Fault', () => {
  for (const c of written)
    for (let size = 1; size < c.want.length / 2; size++) assert.not.ok(netlink.decode(bytesOf(c.want).subarray(0, size), c.dialect).ok);
});
read('"lost messages" is a Fault of its own', () => {
  const r = netlink.decode(bytesOf('10000000040000000000000000000000'), little);
  assert.is(r.ok ? '' : r.fault.code, 'ENOBUFS');
});
read('a message that says nothing', () => {
  assert.equal(netlink.decode(bytesOf('10000000010000000000000000000000'), little), { ok: true, value: [] });
});
read.run();

const ends = suite('netlink.answer');
const ack = (seq: number, errno: number): Message => {
  const o = netlink.open(little);
  netlink.message(o, 2, 0x100, seq, () => {
    netlink.put32(o, -errno >>> 0);
    for (let i = 0; i < 4; i++) netlink.put32(o, 0);
  });
  return only(hexOf(netlink.done(o)), little);
};
const part = (seq: number, flags: number): Message => {
  const o = netlink.open(little);
  netlink.message(o, 0x0a12, flags, seq, () => undefined);
  return only(hexOf(netlink.done(o)), little);
};
const stop = (seq: number, errno?: number): Message => {
  const o = netlink.open(little);
  netlink.message(o, 3, 2, seq, () => {
    if (errno !== undefined) netlink.put32(o, -errno >>> 0);
  });
  return only(hexOf(netlink.done(o)), little);
};
const [multi, torn] = [2, 0x12];
const exchanges = [
  { name: 'acknowledged', span: [5, 5], in: [ack(5, 0)], data: 0, ended: true, code: '' },
  { name: 'refused', span: [5, 5], in: [ack(5, 2)], data: 0, ended: true, code: 'ENOENT', path: 'message 0' },
  { name: 'a batch', span: [5, 9], in: [ack(9, 0)], data: 0, ended: true, code: '' },
  { name: 'a batch with an error, still open', span: [5, 9], in: [ack(6, 17)], data: 0, ended: false, code: 'EEXIST', path: 'message 1' },
  {
    name: 'the first error counts',
    span: [5, 9],
    in: [ack(6, 17), ack(7, 2), ack(9, 0)],
    data: 0,
    ended: true,
    code: 'EEXIST',
    path: 'message 1',
  },
  { name: 'refused as a whole', span: [5, 9], in: [ack(5, 1)], data: 0, ended: true, code: 'EPERM', path: 'message 0' },
  { name: 'an empty dump', span: [5, 5], in: [stop(5)], data: 0, ended: true, code: '' },
  { name: 'a dump', span: [5, 5], in: [part(5, multi), part(5, multi), stop(5, 0)], data: 2, ended: true, code: '' },
  {
    name: 'a dump that fails at its end',
    span: [5, 5],
    in: [part(5, multi), stop(5, 12)],
    data: 1,
    ended: true,
    code: 'ENOMEM',
    path: 'message 0',
  },
  {
    name: 'a dump during which something changed',
    span: [5, 5],
    in: [part(5, torn), stop(5, 0)],
    data: 1,
    ended: true,
    code: 'EINTR',
    path: '',
  },
  { name: 'a dump under way', span: [5, 5], in: [part(5, multi)], data: 1, ended: false, code: '' },
] as const;
for (const c of exchanges)
  ends(c.name, () => {
    const { data, end } = settle(c.span[0], c.span[1], c.in);
    assert.is(data.length, c.data);
    assert.is(end.ended, c.ended);
    assert.is(end.fault === null ? '' : end.fault.code, c.code);
    if ('path' in c) assert.is(end.fault?.path, c.path);
  });
ends('others are no answers', () => {
  const open = netlink.expect(5, 9);
  assert.not.ok(netlink.isAnswer(open, part(0, 0)));
  assert.not.ok(netlink.isAnswer(open, part(4, 0)));
  assert.not.ok(netlink.isAnswer(open, part(10, 0)));
  assert.not.ok(netlink.isAnswer(netlink.answer(open, ack(9, 0)), ack(9, 0)));
});
const numbers = [
  { in: 1, want: 'EPERM' },
  { in: 34, want: 'ERANGE' },
  { in: 95, want: 'EOPNOTSUPP' },
  { in: 122, want: 'EOPNOTSUPP' },
  { in: 105, want: 'ENOBUFS' },
  { in: 132, want: 'ENOBUFS' },
  { in: 4000, want: 'foreign' },
];
for (const c of numbers) ends(`errno ${c.in}`, () => assert.is(netlink.errnoFault(c.in, '').code, c.want));
ends('the number of a failure without a name', () => assert.match(netlink.errnoFault(4000, 'why').reason, 'why (errno 4000)'));
ends.run();

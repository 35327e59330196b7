// A program for a QuickJS host that prints what the compilers of small machines get wrong: 64-bit shifts, soft floats, byte order.
// The same text must come out everywhere.

import { print } from 'weir-host';

let state = 88172645463325252n;
function next(): bigint {
  state ^= (state << 13n) & 0xffffffffffffffffn;
  state ^= state >> 7n;
  state ^= (state << 17n) & 0xffffffffffffffffn;
  return state;
}

const words = new DataView(new ArrayBuffer(8));
/** Any number but a subnormal, which division in zig's soft floats takes for zero. */
function number(): number {
  words.setBigUint64(0, next());
  const value = words.getFloat64(0);
  const size = Math.abs(value);
  return size > 1e-150 && size < 1e150 ? value : Number(BigInt.asIntN(40, next())) / 1024;
}

function digest(of: (a: number, b: number) => number): string {
  let hash = 14695981039346656037n;
  for (let i = 0; i < 500; i++) {
    words.setFloat64(0, of(number(), number()));
    hash = ((hash ^ words.getBigUint64(0)) * 1099511628211n) & 0xffffffffffffffffn;
  }
  return String(hash);
}

const operations: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  remainder: (a, b) => a % b,
  compare: (a, b) => Number(a < b) + 2 * Number(a >= b),
  int32: (a, b) => (a | 0) + (b >>> 0),
  floor: (a, b) => Math.floor(a) + Math.ceil(b) + Math.trunc(a) + Math.round(b),
  root: (a) => Math.sqrt(Math.abs(a)),
  float32: (a) => Math.fround(a),
  text: (a, b) => Number(String(a)) + Number(b.toFixed(3)) + Number.parseFloat(a.toPrecision(7)),
  bigint: (a, b) => Number((BigInt(Math.trunc(a % 1e15)) << BigInt(Math.abs(b | 0) & 63)) >> 3n),
  time: (a) => new Date(Math.trunc(a % 8e15)).getUTCSeconds() + Date.UTC(2026, 1, Math.abs(a | 0) % 400),
};
const regular = [
  'fe80::1%eth0'.replace(/(?<zone>%\w+)$/u, '<$1>'),
  /^[^\u0100-\uffff]{3,300}$/.test('a'.repeat(299)),
  /[\u{1f600}-\u{1f64f}]/u.exec('x😀y')?.index,
];

for (const [name, of] of Object.entries(operations)) print(`${name} ${digest(of)}\n`);
print(`${JSON.stringify(regular)} ${new Uint32Array(new Uint8Array([1, 2, 3, 4]).buffer)[0]?.toString(16).length}\n`);
print(`${[0.1, 1e21, -0, 123456789012345680000, 5e-324, 1795172008123].join(' ')} ${0x123456789abcdefn ** 5n} ${parseInt('zz', 36)}\n`);

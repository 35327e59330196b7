// Whether an address was written down, in any of the forms in which a program would.

import * as base64 from '../../agent/wire/base64.ts';

/** What was kept or sent, by the name of where. */
export type Heap = ReadonlyMap<string, Buffer>;

const wide = (address: string): string =>
  address
    .split(':')
    .map((group) => group.padStart(4, '0'))
    .join(':');

/** Of an IPv6 address without `::`. */
const binary = (address: string): Buffer =>
  address.includes(':') ? Buffer.from(wide(address).replaceAll(':', ''), 'hex') : Buffer.from(address.split('.').map(Number));

/** In base64 the same bytes look different at each of three places; the characters at the ends belong to their neighbours, too. */
function encoded(bytes: Buffer): readonly string[] {
  return [0, 1, 2].flatMap((before) => {
    const text = base64.encode(new Uint8Array(Buffer.concat([Buffer.alloc(before), bytes])));
    const [from, to] = [Math.ceil((8 * before) / 6), Math.floor((8 * (before + bytes.length)) / 6)];
    // Four characters come together by chance.
    return to - from < 5 ? [] : [text.slice(from, to)];
  });
}

export function formsOf(address: string): Readonly<Record<string, readonly Buffer[]>> {
  const bytes = binary(address);
  const texts = address.includes(':') ? [address, wide(address)] : [address];
  const mirrored = Buffer.from(bytes).reverse();
  return {
    text: [...texts, ...texts.map((text) => text.toUpperCase())].map((text) => Buffer.from(text)),
    binary: [bytes, mirrored],
    hex: [bytes, mirrored].flatMap((one) => [one.toString('hex'), one.toString('hex').toUpperCase()]).map((text) => Buffer.from(text)),
    base64: [bytes, ...texts.map((text) => Buffer.from(text))].flatMap(encoded).map((text) => Buffer.from(text)),
    'hex of text': texts.map((text) => Buffer.from(Buffer.from(text).toString('hex'))),
  };
}

/** Where it stands, and how. */
export function traces(heap: Heap, addresses: readonly string[]): readonly string[] {
  const found: string[] = [];
  for (const address of addresses)
    for (const [form, needles] of Object.entries(formsOf(address)))
      for (const [where, bytes] of heap) if (needles.some((needle) => bytes.includes(needle))) found.push(`${where}: ${address}, ${form}`);
  return found;
}

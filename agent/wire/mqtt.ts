// Where the packets of an MQTT stream end: as much of the fixed header (MQTT 5 and 3.1.1, 2.1.4) as tells a packet's size before the packet
// is there. Of a message that is too long the beginning is passed on, since a broker of 3.1.1 that keeps it would send it with each connection.
// Knows nothing of what is in a packet.

import { fail, ok, type Result } from '../core/result.ts';

/** `left`: bytes of a packet that are still to come, and then `rest` that is passed over. `head`: a fixed header that is not whole. */
export type Cursor = Readonly<{ left: number; rest: number; head: Uint8Array }>;
export type Followed = Readonly<{ cursor: Cursor; passed: readonly Uint8Array[] }>;

export const start: Cursor = { left: 0, rest: 0, head: new Uint8Array() };

/** 3.3.1, whatever its flags. */
const isPublish = (type: number): boolean => type >> 4 === 3;
/** So much of the line is spent on a message that nobody reads. */
const longest = 1 << 20;

/** Past these bytes. Of a message of more than `most` bytes as many are passed on, as one of that length, which is longer than any that is
 *  whole; any other packet is a Fault as soon as its length says so. */
export function follow(from: Cursor, bytes: Uint8Array, most: number): Result<Followed> {
  const all = from.head.length === 0 ? bytes : Uint8Array.from([...from.head, ...bytes]);
  const passed: Uint8Array[] = [];
  let { left, rest } = from;
  let at = 0;
  let begun = 0;
  const pass = (to: number): void => {
    if (to > begun) passed.push(all.subarray(begun, to));
  };
  for (;;) {
    const step = Math.min(left, all.length - at);
    at += step;
    left -= step;
    if (left === 0 && rest > 0) {
      pass(at);
      begun = Math.min(at + rest, all.length);
      rest -= begun - at;
      at = begun;
    }
    const type = all[at];
    let body = at + 1;
    let size = 0;
    let digit: number | undefined = 0x80;
    for (let worth = 1; digit !== undefined && digit >= 0x80; worth *= 128) {
      if (body > at + 4) return fail('malformed', 'link', 'a length of more than four bytes');
      digit = all[body];
      if (digit !== undefined) size += (digit & 0x7f) * worth;
      body += 1;
    }
    if (type === undefined || digit === undefined) {
      pass(at);
      return ok({ cursor: { left, rest, head: all.slice(at) }, passed });
    }
    left = size;
    if (body - at + size > most) {
      if (!isPublish(type) || size > longest) return fail('limit', 'link', `a packet of ${size} bytes; at most ${most}`);
      left = Math.min(size, most);
      rest = size - left;
      pass(at);
      passed.push(Uint8Array.of(type, (left & 0x7f) | 0x80, ((left >> 7) & 0x7f) | 0x80, left >> 14));
      begun = body;
    }
    at = body;
  }
}

// Where the packets of an MQTT stream end: as much of the fixed header (MQTT 5 and 3.1.1, 2.1.4) as tells a packet's size before the packet
// is there. Knows nothing of what is in it.

import { fail, ok, type Result } from '../core/result.ts';

/** `left`: bytes of a packet that are still to come. `size` and `digits`: of a length that is not whole; digits null: a packet begins next. */
export type Cursor = Readonly<{ left: number; size: number; digits: number | null }>;

export const start: Cursor = { left: 0, size: 0, digits: null };

/** Past these bytes. A packet of more than `most` bytes is a Fault as soon as its length says so. */
export function follow(from: Cursor, bytes: Uint8Array, most: number): Result<Cursor> {
  let { left, size, digits } = from;
  let at = 0;
  for (;;) {
    const step = Math.min(left, bytes.length - at);
    at += step;
    left -= step;
    const byte = bytes[at];
    if (byte === undefined) return ok({ left, size, digits });
    at += 1;
    if (digits === null) {
      [size, digits] = [0, 0];
      continue;
    }
    size += (byte & 0x7f) * 128 ** digits;
    digits += 1;
    if (1 + digits + size > most) return fail('limit', 'link', `a packet of at least ${size} bytes; at most ${most}`);
    const isLast = byte < 0x80;
    if (!isLast && digits === 4) return fail('malformed', 'link', 'a length of more than four bytes');
    if (isLast) [left, digits] = [size, null];
  }
}

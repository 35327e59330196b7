// The bus's bytes, as a hostile peer could send them: the splitter, the message, and the tables inside.

import * as assert from 'uvu/assert';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as ubus from '../../agent/wire/ubus.ts';
import type { Target } from './fuzz.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The frames, and whether the stream ended in a Fault. */
function split(input: Uint8Array, size: number): readonly [readonly Uint8Array[], boolean] {
  const splitter = ubus.splitter();
  const all: Uint8Array[] = [];
  for (let at = 0; at < input.length; at += size) {
    const frames = splitter.push(input.subarray(at, at + size));
    if (!frames.ok) return [all, true];
    all.push(...frames.value);
  }
  return [all, false];
}

function table(bytes: Uint8Array | undefined): void {
  const decoded = bytes === undefined ? null : blobmsg.decode(bytes);
  if (bytes === undefined || decoded === null || !decoded.ok) return;
  const encoded = blobmsg.encode(decoded.value);
  assert.is(encoded.ok && hex(encoded.value), hex(bytes));
}

export const target: Target = {
  name: 'ubus',
  check(input) {
    const [frames] = split(input, Math.max(1, input.length));
    const [slow, broken] = split(input, 1);
    // In one chunk a Fault takes the frames before it along.
    assert.equal((broken ? slow.slice(0, frames.length) : slow).map(hex), frames.map(hex));
    let whole = frames.length > 0;
    for (const frame of slow) {
      const m = ubus.decode(frame);
      whole &&= m.ok;
      if (!m.ok) continue;
      const again = ubus.encode(m.value);
      assert.is(again.ok && hex(again.value), hex(frame));
      table(m.value.attrs.data);
      table(m.value.attrs.signature);
    }
    return whole;
  },
};

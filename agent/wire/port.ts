// Links of the kernel as the devices that they are, of rtnetlink. Apart from rtnetlink.ts, so that an enforcer that sleeps does not carry it.

import type { Port } from '../core/nameplate.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Dialect, Message, Sent } from './netlink.ts';
import * as netlink from './netlink.ts';
import * as writer from './writer.ts';

export const protocol = 0;

const get = 18;
const told = 16;
const head = 16;

/** All of them. */
export function encode(d: Dialect, seq: number): Sent {
  const o = netlink.open(d);
  netlink.message(o, get, netlink.request | netlink.dump, seq, () => writer.room(o.w, head));
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, seq) };
}

const ethernet = 1;
const field = netlink.after(
  head,
  (f, at) => ({ type: f.view.getUint16(at + 2, f.dialect.little), index: f.view.getUint32(at + 4, f.dialect.little) }),
  {},
  // Since Linux 5.6, and since 5.14.
  { permanent: [54, netlink.asBytes], bus: [57, netlink.asText] },
);

/** As it was made, whatever it is called and whoever has set another address since. */
export function decode(m: Message): Result<Port> {
  if (m.kind !== 'data' || m.type !== told) return fail('malformed', '', `expected a link, got type ${m.type}`);
  const read = netlink.read(m, field);
  if (!read.ok) return read;
  const { type, permanent, ...port } = read.value;
  // Some tunnels have an IP address there.
  return ok(type === ethernet && permanent !== undefined ? { ...port, permanent } : port);
}

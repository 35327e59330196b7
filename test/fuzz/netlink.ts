// The kernel's datagrams, as nobody should send them, to every decoder in both byte orders; and the answers of wireguard-go's socket.

import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Dialect, Message } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import * as nftables from '../../agent/wire/nftables.ts';
import * as port from '../../agent/wire/port.ts';
import * as rtnetlink from '../../agent/wire/rtnetlink.ts';
import * as seating from '../../agent/wire/seating.ts';
import * as wireguard from '../../agent/wire/wireguard.ts';
import type { Target } from './fuzz.ts';

/** The second message of a batch, or the only one. */
function sent(bytes: Uint8Array, d: Dialect): Message {
  const messages = netlink.decode(bytes, d);
  const m = messages.ok ? (messages.value[1] ?? messages.value[0]) : undefined;
  if (m === undefined) throw new Error('what we wrote does not decode');
  return m;
}

/** What was read, written and read again is the same. */
function isStable<T>(read: Result<T>, write: (value: T) => Result<T> | null): boolean {
  const again = read.ok ? write(read.value) : null;
  if (again !== null) assert.equal(again, read);
  return read.ok;
}

function isRead(m: Message, d: Dialect): boolean {
  const route = isStable(rtnetlink.decodeRoute(m), (r) =>
    rtnetlink.decodeRoute(sent(rtnetlink.encode(d, 1, { kind: 'add-route', route: r }).bytes, d)),
  );
  const rule = isStable(rtnetlink.decodeRule(m), (r) =>
    r.action === 'other' ? null : rtnetlink.decodeRule(sent(rtnetlink.encode(d, 1, { kind: 'add-rule', rule: r }).bytes, d)),
  );
  const object = isStable(nftables.decodeObject(m), ({ table, name, content }) =>
    // The kernel takes no such quota, and so we write none.
    content === undefined || (content.kind === 'quota' && content.used > content.bytes)
      ? null
      : nftables.decodeObject(sent(nftables.encodeBatch(d, 1, [{ kind: 'add-object', table, name, content }]).bytes, d)),
  );
  const others = [
    port.decode,
    rtnetlink.decodeLink,
    rtnetlink.decodeAddress,
    rtnetlink.decodeEvent,
    nftables.decodeTable,
    nftables.decodeChain,
    nftables.decodeElements,
    nftables.decodeGeneration,
    nftables.decodeEvent,
    wireguard.decodeFamily,
  ].map((decode) => decode(m).ok);
  return [route, rule, object, ...others].includes(true);
}

/** Whatever is counted has a name and two numbers of the datagram. */
function isMetered(input: Uint8Array, d: Dialect): boolean {
  const meters = seating.meters();
  const broken = netlink.walk(input, d, (m) => void meters.take(m), meters.picks);
  for (const [slot, { generation }] of meters.sessions()) assert.ok(slot > 0 && slot < 1e10 && generation >= 0 && generation < 2 ** 32);
  return broken === null && meters.sessions().size > 0;
}

export const target: Target = {
  name: 'netlink',
  check(input) {
    let any = false;
    for (const d of [netlink.dialect(true), netlink.dialect(false)]) {
      const messages = netlink.decode(input, d);
      if (!messages.ok) continue;
      const data = messages.value.filter((m) => m.kind === 'data');
      for (const m of data) any = isRead(m, d) || any;
      any = wireguard.decodeDevice(data).ok || any;
      any = isMetered(input, d) || any;
    }
    return any;
  },
};

export const textTarget: Target = {
  name: 'wireguard-text',
  check(input) {
    const device = wireguard.parseGet(String.fromCharCode(...input));
    if (!device.ok) return false;
    for (const peer of device.value.peers)
      for (const prefix of peer.allowed) assert.equal(ip.parsePrefix(ip.renderPrefix(prefix)), { ok: true, value: prefix });
    return true;
  },
};

// WireGuard twice: the kernel's generic netlink (uapi linux/wireguard.h) and the text that wireguard-go's socket speaks. One wanted change,
// one reading, two ways to write them. Opens nothing and derives no keys; a secret key is written and never read back, nor named in a Fault.

import type { PublicKey, Seconds, SecretKey } from '../core/brand.ts';
import { seconds } from '../core/brand.ts';
import type { Address, Prefix } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Dialect, Exchange, Field, Message, Out } from './netlink.ts';
import * as netlink from './netlink.ts';
import * as writer from './writer.ts';

/** Sockets of protocol NETLINK_GENERIC. */
export const protocol = 16;

/** `remove` takes a peer away; `put` makes or changes it, `change` makes none. Its allowed addresses are then these and no others. */
export type PeerChange =
  | Readonly<{ kind: 'remove'; key: PublicKey }>
  | Readonly<{ kind: 'put' | 'change'; key: PublicKey; allowed: readonly Prefix[]; keepalive?: number; endpoint?: Endpoint }>;
export type Endpoint = Readonly<{ address: Address; port: number }>;

/** `onlyThese`: peers that are not named go. */
export type DeviceChange = Readonly<{ key?: SecretKey; port?: number; onlyThese?: true; peers: readonly PeerChange[] }>;

export type Peer = Readonly<{
  key: PublicKey;
  endpoint: Endpoint | null;
  /** By the wall clock; null: never. */
  handshake: Seconds | null;
  rxBytes: bigint;
  txBytes: bigint;
  keepalive: number;
  allowed: readonly Prefix[];
}>;

/** wireguard-go does not say its own public key. */
export type Device = Readonly<{ key?: PublicKey; port: number; peers: readonly Peer[] }>;

const keySize = 32;
const asKey: Field<PublicKey> = (f, start, end) =>
  end - start === keySize ? ok(f.bytes.slice(start, end) as PublicKey) : fail('malformed', `byte ${start}`, `a key has ${keySize} bytes`);

// ── Generic netlink ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Sent = Readonly<{ bytes: Uint8Array; exchange: Exchange }>;

const control = 0x10;
const commands = { get: 0, set: 1, newFamily: 1, getFamily: 3 } as const;
const headerSize = 4;

function begin(o: Out, command: number, version: number): void {
  writer.u8(o.w, command);
  writer.u8(o.w, version);
  writer.room(o.w, 2);
}

/** Families get their numbers as modules load: ask for WireGuard's. ENOENT: no such module. */
export function encodeGetFamily(d: Dialect, seq: number): Sent {
  const o = netlink.open(d);
  netlink.message(o, control, netlink.request | netlink.wantAck, seq, () => {
    begin(o, commands.getFamily, 1);
    netlink.text(o, 2, 'wireguard');
  });
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, seq) };
}

const familyField = netlink.after(headerSize, (f, at) => ({ command: f.view.getUint8(at) }), { id: [1, netlink.asU16] }, {});

export function decodeFamily(m: Message): Result<number> {
  if (m.kind !== 'data' || m.type !== control) return fail('malformed', '', `expected a family, got type ${m.type}`);
  const read = netlink.read(m, familyField);
  if (!read.ok) return read;
  return read.value.command === commands.newFamily
    ? ok(read.value.id)
    : fail('malformed', '', `expected a family, got command ${read.value.command}`);
}

// A list of peers has 16 bits for its length, and a peer with two addresses takes 140 bytes.
const mostPeers = 256;

/** As many requests as the peers need, each to be answered before the next. */
export function encodeSet(d: Dialect, family: number, seq: number, index: number, change: DeviceChange): readonly Sent[] {
  const requests: Sent[] = [];
  for (let at = 0; at === 0 || at < change.peers.length; at += mostPeers) {
    const part = at === 0 ? change : { peers: [] };
    requests.push(encodePart(d, family, seq + requests.length, index, { ...part, peers: change.peers.slice(at, at + mostPeers) }));
  }
  return requests;
}

function encodePart(d: Dialect, family: number, seq: number, index: number, c: DeviceChange): Sent {
  const o = netlink.open(d);
  netlink.message(o, family, netlink.request | netlink.wantAck, seq, () => {
    begin(o, commands.set, 1);
    netlink.u32(o, 1, index);
    if (c.key !== undefined) netlink.bytes(o, 3, c.key);
    if (c.port !== undefined) netlink.u16(o, 6, c.port);
    if (c.onlyThese) netlink.u32(o, 5, 1);
    if (c.peers.length === 0) return;
    netlink.nest(o, 8, () => {
      for (const peer of c.peers) netlink.nest(o, 0, () => encodePeer(o, peer));
    });
  });
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, seq) };
}

// Flags of a peer: 1 remove, 2 replace its allowed addresses, 4 only if it is there.
const peerBits = { remove: 1, put: 2, change: 6 } as const;

function encodePeer(o: Out, p: PeerChange): void {
  netlink.bytes(o, 1, p.key);
  netlink.u32(o, 3, peerBits[p.kind]);
  if (p.kind === 'remove') return;
  if (p.endpoint !== undefined) encodeEndpoint(o, p.endpoint);
  if (p.keepalive !== undefined) netlink.u16(o, 5, p.keepalive);
  netlink.nest(o, 9, () => {
    for (const { address, length } of p.allowed)
      netlink.nest(o, 0, () => {
        netlink.u16(o, 1, ip.isV4(address) ? 2 : 10);
        netlink.bytes(o, 2, address);
        netlink.u8(o, 3, length);
      });
  });
}

/** A sockaddr: the family in the machine's order, the port in the network's. */
function encodeEndpoint(o: Out, { address, port }: Endpoint): void {
  netlink.attribute(o, 4, () => {
    netlink.put16(o, ip.isV4(address) ? 2 : 10);
    writer.u8(o.w, port >> 8);
    writer.u8(o.w, port & 0xff);
    if (!ip.isV4(address)) netlink.put32(o, 0);
    writer.bytes(o.w, address);
    writer.room(o.w, ip.isV4(address) ? 8 : 4);
  });
}

export function encodeGet(d: Dialect, family: number, seq: number, index: number): Sent {
  const o = netlink.open(d);
  netlink.message(o, family, netlink.request | netlink.dump, seq, () => {
    begin(o, commands.get, 1);
    netlink.u32(o, 1, index);
  });
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, seq) };
}

// struct sockaddr_in or sockaddr_in6: family, port (big-endian), then the address, for IPv6 behind the flow label.
const asEndpoint: Field<Endpoint> = (f, start, end) => {
  const at = end - start === 16 ? start + 4 : start + 8;
  const size = end - start === 16 ? 4 : 16;
  if (end - start !== 16 && end - start !== 28) return fail('malformed', `byte ${start}`, `an endpoint of ${end - start} bytes`);
  const address = ip.addressOf(f.bytes.slice(at, at + size));
  return address.ok ? ok({ address: address.value, port: f.view.getUint16(start + 2) }) : address;
};

const asHandshake: Field<Seconds | null> = (f, start, end) => {
  if (end - start !== 16) return fail('malformed', `byte ${start}`, `a time of ${end - start} bytes`);
  return ok(handshakeOf(f.view.getBigInt64(start, f.dialect.little)));
};

const handshakeOf = (since1970: bigint): Seconds | null => (since1970 === 0n ? null : seconds(Number(since1970)));

const allowedField = netlink.attributes({ address: [2, netlink.asBytes], length: [3, netlink.asU8] }, {});
const asAllowed: Field<Prefix> = (f, start, end) => {
  const read = allowedField(f, start, end);
  if (!read.ok) return read;
  const address = ip.addressOf(read.value.address);
  return address.ok ? ip.prefixOf(address.value, read.value.length) : address;
};

const peerField = netlink.attributes(
  { key: [1, asKey] },
  {
    endpoint: [4, asEndpoint],
    keepalive: [5, netlink.asU16],
    handshake: [6, asHandshake],
    rxBytes: [7, netlink.asU64],
    txBytes: [8, netlink.asU64],
    allowed: [9, netlink.asList(asAllowed)],
  },
);
const deviceField = netlink.after(
  headerSize,
  () => ({}),
  {},
  { key: [4, asKey], port: [6, netlink.asU16], peers: [8, netlink.asList(peerField)] },
);

/** All messages of one dump: only the first speaks of the device, and a peer may go on in the next with more of its addresses. */
export function decodeDevice(messages: readonly Message[]): Result<Device> {
  let device: Readonly<{ key?: PublicKey; port: number }> | null = null;
  const peers: Peer[] = [];
  for (const [i, m] of messages.entries()) {
    const read = netlink.read(m, deviceField);
    if (!read.ok) return { ok: false, fault: under(`message ${i}`, read.fault) };
    const { key, port, peers: found = [] } = read.value;
    if (device === null && port !== undefined) device = key === undefined ? { port } : { key, port };
    for (const part of found) {
      const last = peers.at(-1);
      const more = part.allowed ?? [];
      if (last !== undefined && isSameKey(last.key, part.key)) peers[peers.length - 1] = { ...last, allowed: [...last.allowed, ...more] };
      else if (part.handshake === undefined || part.rxBytes === undefined || part.txBytes === undefined || part.keepalive === undefined)
        return fail('missing', `message ${i}.peers`, 'a peer without its figures');
      else {
        const { handshake, rxBytes, txBytes, keepalive } = part;
        peers.push({ key: part.key, endpoint: part.endpoint ?? null, handshake, rxBytes, txBytes, keepalive, allowed: more });
      }
    }
  }
  return device === null ? fail('missing', 'port', 'no message speaks of the device') : ok({ ...device, peers });
}

const isSameKey = (a: PublicKey, b: PublicKey): boolean => a.every((byte, i) => byte === b[i]);

// ── wireguard-go's socket ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** To be written to the socket as it is, secret key and all: never to a log. */
export function renderSet(c: DeviceChange): string {
  const lines = ['set=1'];
  if (c.key !== undefined) lines.push(`private_key=${hex(c.key)}`);
  if (c.port !== undefined) lines.push(`listen_port=${c.port}`);
  if (c.onlyThese) lines.push('replace_peers=true');
  for (const peer of c.peers) {
    lines.push(`public_key=${hex(peer.key)}`);
    if (peer.kind === 'remove') {
      lines.push('remove=true');
      continue;
    }
    if (peer.kind === 'change') lines.push('update_only=true');
    if (peer.endpoint !== undefined) lines.push(`endpoint=${textOfEndpoint(peer.endpoint)}`);
    if (peer.keepalive !== undefined) lines.push(`persistent_keepalive_interval=${peer.keepalive}`);
    lines.push('replace_allowed_ips=true');
    for (const { address, length } of peer.allowed) lines.push(`allowed_ip=${ip.renderAddress(address)}/${length}`);
  }
  return `${lines.join('\n')}\n\n`;
}

function textOfEndpoint({ address, port }: Endpoint): string {
  const text = ip.renderAddress(address);
  return `${ip.isV4(address) ? text : `[${text}]`}:${port}`;
}

export const renderGet = (): string => 'get=1\n\n';

/** An answer ends in an empty line; until then more has to be read. */
export const isWhole = (answer: string): boolean => answer.endsWith('\n\n');

type Line = Readonly<{ key: string; value: string; path: string }>;

function parseLines(answer: string): Result<readonly Line[]> {
  if (!isWhole(answer)) return fail('malformed', '', 'the answer has no end');
  const lines: Line[] = [];
  for (const [i, line] of answer.slice(0, -2).split('\n').entries()) {
    const at = line.indexOf('=');
    if (at < 1) return fail('malformed', `line ${i + 1}`, 'expected key=value');
    lines.push({ key: line.slice(0, at), value: line.slice(at + 1), path: `line ${i + 1}` });
  }
  const errno = lines.at(-1);
  if (errno?.key !== 'errno' || !/^-?\d{1,5}$/.test(errno.value)) return fail('missing', 'errno', 'the answer does not end in errno');
  // wireguard-go gives Linux numbers, some of them negative.
  const number = Math.abs(Number(errno.value));
  return number === 0 ? ok(lines.slice(0, -1)) : { ok: false, fault: netlink.errnoFault(number, '') };
}

export function parseSet(answer: string): Result<void> {
  const lines = parseLines(answer);
  return lines.ok ? ok(undefined) : lines;
}

type PeerDraft = { -readonly [K in keyof Peer]: Peer[K] } & { allowed: Prefix[] };

/** The answer to `get`. The private key in it is passed over. */
export function parseGet(answer: string): Result<Device> {
  const lines = parseLines(answer);
  if (!lines.ok) return lines;
  let port = 0;
  const peers: PeerDraft[] = [];
  for (const line of lines.value) {
    if (line.key === 'public_key') {
      const key = parseKey(line);
      if (!key.ok) return key;
      peers.push({ key: key.value, endpoint: null, handshake: null, rxBytes: 0n, txBytes: 0n, keepalive: 0, allowed: [] });
      continue;
    }
    if (line.key === 'listen_port') {
      const n = parseNumber(line, 65535n);
      if (!n.ok) return n;
      port = Number(n.value);
      continue;
    }
    const peer = peers.at(-1);
    if (peer === undefined) continue;
    const read = parsePeerLine(peer, line);
    if (!read.ok) return read;
  }
  return ok({ port, peers });
}

function parsePeerLine(peer: PeerDraft, line: Line): Result<void> {
  switch (line.key) {
    case 'endpoint': {
      const endpoint = parseEndpoint(line);
      if (!endpoint.ok) return endpoint;
      peer.endpoint = endpoint.value;
      return ok(undefined);
    }
    case 'allowed_ip': {
      const prefix = ip.parsePrefix(line.value);
      if (!prefix.ok) return { ok: false, fault: under(line.path, prefix.fault) };
      peer.allowed.push(prefix.value);
      return ok(undefined);
    }
    case 'last_handshake_time_sec':
    case 'rx_bytes':
    case 'tx_bytes':
    case 'persistent_keepalive_interval': {
      const n = parseNumber(line, line.key === 'persistent_keepalive_interval' ? 65535n : 2n ** 64n - 1n);
      if (!n.ok) return n;
      if (line.key === 'rx_bytes') peer.rxBytes = n.value;
      else if (line.key === 'tx_bytes') peer.txBytes = n.value;
      else if (line.key === 'last_handshake_time_sec') peer.handshake = handshakeOf(n.value);
      else peer.keepalive = Number(n.value);
      return ok(undefined);
    }
    default:
      return ok(undefined);
  }
}

function parseKey(line: Line): Result<PublicKey> {
  if (!/^[0-9a-f]{64}$/.test(line.value)) return fail('malformed', line.path, 'expected a key of 64 hex digits');
  return ok(Uint8Array.from({ length: keySize }, (_, i) => Number.parseInt(line.value.slice(2 * i, 2 * i + 2), 16)) as PublicKey);
}

function parseNumber(line: Line, most: bigint): Result<bigint> {
  if (!/^\d{1,20}$/.test(line.value) || BigInt(line.value) > most) return fail('malformed', line.path, `expected a number up to ${most}`);
  return ok(BigInt(line.value));
}

function parseEndpoint(line: Line): Result<Endpoint> {
  // A link-local peer carries its zone, which no address of ours has.
  const [, v6, v4, port] = /^(?:\[([0-9a-fA-F:.]+)(?:%[^\]]*)?\]|([\d.]+)):(\d{1,5})$/.exec(line.value) ?? [];
  const address = ip.parseAddress(v6 ?? v4 ?? '');
  if (!address.ok) return { ok: false, fault: under(line.path, address.fault) };
  return Number(port) < 65536 ? ok({ address: address.value, port: Number(port) }) : fail('malformed', line.path, 'expected a port');
}

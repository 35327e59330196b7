// The tunnel's peers: by the kernel's generic netlink, or, where the kernel has no WireGuard, by the socket of a wireguard-go that serves the
// device. The secret key lives in its own file and in the device; it is never logged, nor named in a Fault.

import { type ByteCount, millis, type PublicKey, type SecretKey } from '../core/brand.ts';
import type { Address, Prefix } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import * as pools from '../core/pool.ts';
import { type Fault, fail, fault, ok, type Result, under } from '../core/result.ts';
import type { PeerKey } from '../core/seat.ts';
import type { Host } from '../ports/host.ts';
import type { PeerFound, Tunnel, TunnelReady } from '../ports/router.ts';
import * as base64 from '../wire/base64.ts';
import type { Socket } from '../wire/netlink.ts';
import type { Device, DeviceChange, Peer } from '../wire/wireguard.ts';
import * as wireguard from '../wire/wireguard.ts';

type Ground = Pick<Host, 'net' | 'clock' | 'files' | 'random'>;

/** One device, whichever way. */
type Way = Readonly<{
  by: TunnelReady['by'];
  close(): void;
  set(change: DeviceChange): Promise<Result<void>>;
  get(): Promise<Result<Device>>;
}>;

const done = ok(undefined);
const on = Uint8Array.of(0x31);
const at = <T>(outer: string, r: Result<T>): Result<T> => (r.ok ? r : { ok: false, fault: under(outer, r.fault) });

/** `connect`: a new socket of generic netlink. `publicOf`: wireguard-go does not say its public key. */
export type Wiring = Readonly<{ connect(): Result<Socket>; publicOf(secret: SecretKey): Promise<PublicKey> }>;

export function open(host: Ground, { connect, publicOf }: Wiring): Tunnel {
  let way: Result<Way> = fail('missing', 'tunnel', 'nothing is prepared yet');
  let threaded = '';

  return {
    async prepare({ name, index, port, keyPath }) {
      const key = keep(host, keyPath);
      if (!key.ok) return key;
      if (way.ok) way.value.close();
      const found = await find({ host, connect, name, index });
      way = found;
      threaded = `/sys/devices/virtual/net/${name}/threaded`;
      if (!found.ok) return at(name, found);
      const before = await found.value.get();
      if (!before.ok) return at(name, before);
      // A port that is set anew closes the old one for a moment.
      const set = await found.value.set({ key: key.value, ...(before.value.port === port ? {} : { port }), peers: [] });
      if (!set.ok) return at(name, set);
      const after = await found.value.get();
      if (!after.ok) return at(name, after);
      return ok({ by: found.value.by, key: textOf(after.value.key ?? (await publicOf(key.value))) });
    },
    async read() {
      const device = way.ok ? await way.value.get() : way;
      return device.ok ? ok(device.value.peers.map(foundOf)) : at('tunnel', device);
    },
    async apply(steps, pool) {
      if (!way.ok) return way;
      const peers = steps.map((step) => {
        const key = bytesOf(step.key);
        if (step.kind === 'expel') return { kind: 'remove', key } as const;
        const { four, six } = pools.addresses(pool, step.slot);
        return { kind: 'put', key, allowed: [four, six].map((address): Prefix => ({ address, length: 8 * address.length })) } as const;
      });
      if (peers.length === 0) return done;
      const set = await way.value.set({ peers });
      // The kernel's switch for a thread to each peer, which hands on its packets together and on any core; it can be had once there is a
      // peer. Who cannot have it (wireguard-go, kernels before 5.12) is slower and nothing else.
      host.files.append(threaded, on, 0o644);
      return at('tunnel', set);
    },
  };
}

/** Makes a device the guest of a router that listens on this machine, under a key that is drawn for it and kept nowhere. */
export async function visit(
  host: Ground,
  { connect, publicOf }: Wiring,
  device: Readonly<{ name: string; index: number }>,
  router: Readonly<{ key: PeerKey; port: number }>,
): Promise<Result<PeerKey>> {
  const found = await find({ host, connect, ...device });
  if (!found.ok) return at(device.name, found);
  const secret = clamp(host.random(keySize));
  const peer = { kind: 'put', key: bytesOf(router.key), allowed: everywhere, endpoint: { address: loopback, port: router.port } } as const;
  const set = await found.value.set({ key: secret, onlyThese: true, peers: [peer] });
  const after = set.ok ? await found.value.get() : set;
  found.value.close();
  return after.ok ? ok(textOf(after.value.key ?? (await publicOf(secret)))) : at(device.name, after);
}

const everywhere: readonly Prefix[] = [4, 16].map((size) => ({ address: new Uint8Array(size) as Address, length: 0 }));
const loopback = Uint8Array.of(127, 0, 0, 1) as Address;

const foundOf = ({ key, allowed, endpoint, handshake, rxBytes, txBytes }: Peer): PeerFound => ({
  key: textOf(key),
  allowed,
  endpoint: endpoint === null ? null : { address: ip.renderAddress(endpoint.address), port: endpoint.port },
  handshake,
  counted: { up: rxBytes as ByteCount, down: txBytes as ByteCount },
});

// ── The key ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const keySize = 32;

/** Read, or made where there is none. */
function keep({ files, random }: Ground, path: string): Result<SecretKey> {
  const stat = files.stat(path);
  if (!stat.ok && stat.fault.code !== 'ENOENT') return stat;
  if (!stat.ok) {
    const made = clamp(random(keySize));
    const created = files.create(path, made, 0o600);
    return created.ok ? ok(made) : created;
  }
  if (stat.value.kind !== 'file' || (stat.value.mode & 0o077) !== 0)
    return fail('denied', path, 'others than root may read the key: chmod 600');
  const read = files.read(path, keySize);
  if (!read.ok) return read;
  return read.value.length === keySize ? ok(read.value as SecretKey) : fail('malformed', path, `a key has ${keySize} bytes`);
}

/** RFC 7748 §5. */
function clamp(bytes: Uint8Array): SecretKey {
  const clamped = bytes.map((byte, i) => (i === 0 ? byte & 248 : i === keySize - 1 ? (byte & 127) | 64 : byte));
  return clamped as SecretKey;
}

const textOf = (key: PublicKey): PeerKey => base64.encode(key) as PeerKey;

function bytesOf(key: PeerKey): PublicKey {
  const bytes = base64.decode(key);
  if (!bytes.ok) throw new Error('a peer key that is none');
  return bytes.value as PublicKey;
}

// ── The two ways ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function find({ host, connect, name, index }: Wanted): Promise<Result<Way>> {
  const kernel = await inKernel(connect, index);
  if (kernel.ok || !isAbsent(kernel.fault)) return kernel;
  const path = `/var/run/wireguard/${name}.sock`;
  if (host.files.stat(path).ok) return ok(bySocket(host, path));
  return fail('unsupported', '', 'neither the kernel nor a wireguard-go serves WireGuard here: install kmod-wireguard');
}

type Wanted = Readonly<{ host: Ground; connect(): Result<Socket>; name: string; index: number }>;

/** No such family, or a device of another kind. */
const isAbsent = ({ code }: Fault): boolean => code === 'ENOENT' || code === 'EOPNOTSUPP';

async function inKernel(connect: () => Result<Socket>, index: number): Promise<Result<Way>> {
  const socket = connect();
  if (!socket.ok) return socket;
  const way = await speak(socket.value, index);
  if (!way.ok) socket.value.close();
  return way;
}

async function speak(socket: Socket, index: number): Promise<Result<Way>> {
  const family = await socket.dump(wireguard.encodeGetFamily, wireguard.decodeFamily);
  if (!family.ok) return family;
  const [id] = family.value;
  if (id === undefined) return fail('missing', 'family', 'the kernel gave it no number');
  const way = byNetlink(socket, id, index);
  const device = await way.get();
  return device.ok ? ok(way) : device;
}

const byNetlink = (socket: Socket, family: number, index: number): Way => ({
  by: 'kernel',
  close: socket.close,
  async set(change) {
    // Each part is answered before the next is sent; parts are numbered from the first.
    for (let part = 0, parts = 1; part < parts; part++) {
      const set = await socket.ask((d, seq) => {
        const requests = wireguard.encodeSet(d, family, seq - part, index, change);
        parts = requests.length;
        return requests[part] as (typeof requests)[number];
      });
      if (!set.ok) return set;
    }
    return done;
  },
  async get() {
    const messages = await socket.dump((d, seq) => wireguard.encodeGet(d, family, seq, index), ok);
    return messages.ok ? wireguard.decodeDevice(messages.value) : messages;
  },
});

const patience = millis(5000);
const mostAnswer = 1 << 24;

/** wireguard-go takes one request on each connection, and ends its answer with an empty line. */
function bySocket({ net, clock }: Ground, path: string): Way {
  const converse = (request: string): Promise<Result<string>> =>
    new Promise((resolve) => {
      let answer = '';
      const finish = (r: Result<string>): void => {
        timer.cancel();
        stream.close();
        resolve(r);
      };
      const timer = clock.after(patience, () => finish(fail('timeout', path, `no answer within ${patience} ms`)));
      const stream = net.connectUnix(path, {
        opened: () => void stream.write(Uint8Array.from(request, (c) => c.charCodeAt(0))),
        received(bytes) {
          for (let i = 0; i < bytes.length; i += 4096) answer += String.fromCharCode(...bytes.subarray(i, i + 4096));
          if (wireguard.isWhole(answer)) finish(ok(answer));
          else if (answer.length > mostAnswer) finish(fail('limit', path, `an answer of more than ${mostAnswer} bytes`));
        },
        ended: () => finish(fail('closed', path, 'ended before the answer was whole')),
        drained: () => undefined,
        closed: (why) => finish({ ok: false, fault: why ?? fault('closed', path, 'closed before the answer was whole') }),
      });
    });
  return {
    by: 'wireguard-go',
    close: () => undefined,
    async set(change) {
      const answer = await converse(wireguard.renderSet(change));
      return answer.ok ? wireguard.parseSet(answer.value) : answer;
    },
    async get() {
      const answer = await converse(wireguard.renderGet());
      return answer.ok ? wireguard.parseGet(answer.value) : answer;
    },
  };
}

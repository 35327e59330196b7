// Packets that no honest socket sends: foreign source addresses, source routes, router advertisements, bare SYNs. The bytes are made
// here; Node has no raw sockets, so five lines of Perl (essential on Debian) hand them to the kernel.

import { execFile } from 'node:child_process';
import { isIPv6 } from 'node:net';

const udpProtocol = 17;
const tcpProtocol = 6;
const icmp6Protocol = 58;

export type Raw = Readonly<{ link: string; to: string; packets: readonly string[] }>;

const sender = `my ($six, $link, $to) = splice @ARGV, 0, 3;
socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_RAW, 255) or die "socket: $!\\n";
setsockopt($s, SOL_SOCKET, 25, pack('Z*', $link)) && setsockopt($s, SOL_SOCKET, SO_BROADCAST, 1) or die "setsockopt: $!\\n";
my $at = $six ? pack_sockaddr_in6(0, inet_pton(AF_INET6, $to)) : pack_sockaddr_in(0, inet_aton($to));
for (<STDIN>) { chomp; send($s, pack('H*', $_), 0, $at) or die "send: $!\\n"; }`;

/** Sends whole IP packets, given as hex, out of one link. */
export function sendRaw(q: Raw): Promise<string | null> {
  return new Promise((resolve) => {
    const perl = execFile('perl', ['-MSocket=:all', '-e', sender, isIPv6(q.to) ? '1' : '', q.link, q.to], (e, _, stderr) =>
      resolve(e === null ? null : stderr.trim()),
    );
    perl.stdin?.end(`${q.packets.join('\n')}\n`);
  });
}

function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const words = (text: string): number[] => (text === '' ? [] : text.split(':').map((w) => Number.parseInt(w, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Buffer.from(all.flatMap((w) => [w >> 8, w & 255]));
}

function u16(...values: number[]): Buffer {
  return Buffer.from(values.flatMap((v) => [(v >> 8) & 255, v & 255]));
}

/** RFC 1071 over the pseudo header and the segment, whose own checksum field holds zero. */
function checksum(from: string, to: string, protocol: number, segment: Buffer): number {
  const bytes = Buffer.concat([bytesOf(from), bytesOf(to), u16(protocol, segment.length), segment, Buffer.alloc(segment.length % 2)]);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function sealed(from: string, to: string, protocol: number, segment: Buffer, at: number): Buffer {
  segment.writeUInt16BE(checksum(from, to, protocol, segment), at);
  return segment;
}

/** The header checksum is left to the kernel, which always writes it. */
function packet(from: string, to: string, protocol: number, segment: Buffer, options = Buffer.alloc(0)): string {
  if (isIPv6(to)) {
    const header = Buffer.concat([Buffer.from([0x60, 0, 0, 0]), u16(options.length + segment.length), Buffer.from([protocol, 255])]);
    return Buffer.concat([header, bytesOf(from), bytesOf(to), options, segment]).toString('hex');
  }
  const length = 20 + options.length;
  const header = Buffer.concat([
    Buffer.from([0x40 | (length / 4), 0]),
    u16(length + segment.length, 0, 0),
    Buffer.from([64, protocol]),
    u16(0),
  ]);
  return Buffer.concat([header, bytesOf(from), bytesOf(to), options, segment]).toString('hex');
}

type Udp = Readonly<{ from: string; to: string; port: number; token: string }>;

const udpSegment = (from: string, to: string, port: number, token: string): Buffer => {
  const payload = Buffer.from(`s ${token}|`);
  return sealed(from, to, udpProtocol, Buffer.concat([u16(40000, port, 8 + payload.length, 0), payload]), 6);
};

/** A datagram that the servers of `traffic.ts` count under its token. */
export const udp = (q: Udp): string => packet(q.from, q.to, udpProtocol, udpSegment(q.from, q.to, q.port, q.token));

/** The same by way of a router: loose source route (RFC 791) or routing header type 0 (RFC 2460, withdrawn by RFC 5095). */
export function udpVia(q: Udp & Readonly<{ via: string }>): string {
  const segment = udpSegment(q.from, q.to, q.port, q.token);
  if (isIPv6(q.to)) {
    const header = Buffer.concat([Buffer.from([udpProtocol, 2, 0, 1, 0, 0, 0, 0]), bytesOf(q.to)]);
    return packet(q.from, q.via, 43, segment, header);
  }
  return packet(q.from, q.via, udpProtocol, segment, Buffer.concat([Buffer.from([131, 7, 4]), bytesOf(q.to), Buffer.from([0])]));
}

/** The first packet of a connection that nobody will finish. */
export const syn = (q: { from: string; fromPort: number; to: string; port: number }): string =>
  packet(
    q.from,
    q.to,
    tcpProtocol,
    sealed(q.from, q.to, tcpProtocol, Buffer.concat([u16(q.fromPort, q.port, 0, 1, 0, 0), Buffer.from([0x50, 2]), u16(64240, 0, 0)]), 16),
  );

/** "I am your router" (RFC 4861), for ten minutes. */
export function advertisement(q: { from: string; to: string }): string {
  const body = Buffer.concat([Buffer.from([134, 0, 0, 0, 64, 0]), u16(600), Buffer.alloc(8)]);
  return packet(q.from, q.to, icmp6Protocol, sealed(q.from, q.to, icmp6Protocol, body, 2));
}

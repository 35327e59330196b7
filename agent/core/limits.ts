// What the owner allows one session: wishes in the units of grants (bits, seconds) → terms in the kernel's, or the Fault that names the field
// and its limit. Nothing is trimmed: who asked for more must hear it. Knows no slot and no other session.

import type { BitRate, ByteCount, Seconds } from './brand.ts';
import type { Line } from './home.ts';
import type { Prefix } from './ip.ts';
import * as ip from './ip.ts';
import type { Blocked } from './reach.ts';
import * as reach from './reach.ts';
import { type Fault, fail, fault, ok, type Result, under } from './result.ts';
import type { Span } from './schedule.ts';
import type { ByteRate, Egress, Flow, Pair, Quota, Terms } from './seat.ts';

export type Limits = Readonly<{
  /** Line bytes: of a guest's byte both crossings, with the tunnel's overhead. */
  line: Pair<ByteRate>;
  session: Readonly<{ rate: Pair<BitRate>; quota: ByteCount; lifetime: Seconds }>;
  sessions: number;
  month: Readonly<{ cap: ByteCount | null; resetDay: number; household: boolean }>;
  blockSmtp: boolean;
  deny: readonly Prefix[];
  allow: readonly Prefix[];
  flows: Readonly<{ session: number; all: number }>;
  connections: Readonly<{ session: number; all: number }>;
  lowerEffort: boolean;
  /** No span: at all times. */
  schedule: Readonly<{ spans: readonly Span[]; whenUnknown: boolean }>;
  /** null: the household does not come first. */
  home: Line | null;
}>;

/** Terms as they were asked for: bits in a second, places as text; nothing is checked but the shape. */
export type Wish = Readonly<{
  quota: Readonly<{ kind: 'shared'; bytes: bigint }> | Readonly<{ kind: 'split' } & Pair<bigint>>;
  rate: Pair<bigint>;
  throttle: Pair<bigint> | null;
  egress: Egress;
}>;

/** What the sessions together may use of the line: every byte of theirs crosses it in both directions. */
export function guests({ line: { up, down } }: Limits): ByteRate {
  if (up < down) return up;
  return down;
}

/** All that one session may not have. */
export const exceeding = ({ quota, rate, throttle }: Omit<Wish, 'egress'>, most: Limits['session']): readonly Fault[] => [
  ...checkQuota(quota, most.quota),
  ...checkRates(rate, throttle, most.rate),
];

export function check(wish: Wish, limits: Limits, blocked: Blocked): Result<Terms> {
  const { quota, rate, throttle } = wish;
  const [over] = exceeding(wish, limits.session);
  if (over !== undefined) return { ok: false, fault: over };
  const egress = checkEgress(wish.egress, limits, blocked);
  if (!egress.ok) return { ok: false, fault: under('egress', egress.fault) };
  return ok({ quota: quota as Quota, rate: bytesOf(rate), spent: throttle === null ? null : bytesOf(throttle), egress: egress.value });
}

/** Are these terms, once allowed, still so? The owner may have changed the limits. */
export function isWithin({ quota, rate, spent, egress }: Terms, limits: Limits, blocked: Blocked): boolean {
  return check({ quota, rate: bitsOf(rate), throttle: spent === null ? null : bitsOf(spent), egress }, limits, blocked).ok;
}

const bytesOf = ({ up, down }: Pair<bigint>): Pair<ByteRate> => ({ up: (up / 8n) as ByteRate, down: (down / 8n) as ByteRate });
const bitsOf = ({ up, down }: Pair<ByteRate>): Pair<bigint> => ({ up: up * 8n, down: down * 8n });

/** Nothing, or the one thing that is wrong. */
export function within(path: string, value: bigint, least: bigint, most: bigint, unit: string): Fault[] {
  if (value < least) return [fault('malformed', path, `at least ${least} ${unit}`)];
  return value > most ? [fault('denied', path, `at most ${most} ${unit}`)] : [];
}

const checkQuota = (quota: Wish['quota'], most: bigint): Fault[] =>
  quota.kind === 'shared'
    ? within('quota', quota.bytes, 1n, most, 'bytes')
    : [
        ...within('quota.up', quota.up, 1n, most, 'bytes'),
        ...within('quota.down', quota.down, 1n, most, 'bytes'),
        ...within('quota', quota.up + quota.down, 2n, most, 'bytes'),
      ];

// Less than a byte a second is nothing to the kernel.
const checkRates = (rate: Pair<bigint>, throttle: Pair<bigint> | null, most: Pair<bigint>): Fault[] => [
  ...within('rate_up', rate.up, 8n, most.up, 'bit/s'),
  ...within('rate_down', rate.down, 8n, most.down, 'bit/s'),
  ...(throttle === null
    ? []
    : [...within('throttle_up', throttle.up, 8n, rate.up, 'bit/s'), ...within('throttle_down', throttle.down, 8n, rate.down, 'bit/s')]),
];

const mostFlows = 32;
const smtp = [25, 465, 587];

function checkEgress(egress: Egress, limits: Limits, blocked: Blocked): Result<Egress> {
  switch (egress.kind) {
    case 'internet':
      return ok(egress);
    case 'hop': {
      const { protocol, port } = egress;
      const address = ip.parseAddress(egress.address);
      if (!address.ok) return { ok: false, fault: under('hop.address', address.fault) };
      const target = { prefix: { address: address.value, length: 8 * address.value.length }, protocol, first: port, last: port };
      const wrong = wrongWith(target, ['port', 'port'], limits, blocked);
      return wrong === null ? ok({ ...egress, address: ip.renderAddress(address.value) }) : { ok: false, fault: under('hop', wrong) };
    }
    case 'list': {
      if (egress.flows.length < 1 || egress.flows.length > mostFlows) return fail('limit', 'list', `1 to ${mostFlows} flows`);
      const targets: Target[] = [];
      for (const [i, flow] of egress.flows.entries()) {
        const target = checkFlow(flow, limits, blocked);
        if (!target.ok) return { ok: false, fault: under(`list.${i}`, target.fault) };
        // The kernel refuses a set whose elements overlap.
        const twin = targets.findIndex((other) => isOverlapping(other, target.value));
        if (twin >= 0) return fail('exists', `list.${i}`, `overlaps flow ${twin}`);
        targets.push(target.value);
      }
      return ok({ kind: 'list', flows: targets.map(flowOf) });
    }
  }
}

type Target = Readonly<{ prefix: Prefix; protocol: 'tcp' | 'udp'; first: number; last: number }>;

function checkFlow({ address, length, protocol, ports }: Flow, limits: Limits, blocked: Blocked): Result<Target> {
  const parsed = ip.parseAddress(address);
  const prefix = parsed.ok ? ip.prefixOf(parsed.value, length) : parsed;
  if (!prefix.ok) return { ok: false, fault: under('address', prefix.fault) };
  const target: Target = { prefix: prefix.value, protocol, ...ports };
  const wrong = wrongWith(target, ['first', 'last'], limits, blocked);
  return wrong === null ? ok(target) : { ok: false, fault: wrong };
}

/** One address has one text, so that what the kernel is found to hold compares equal. */
const flowOf = ({ prefix, protocol, first, last }: Target): Flow => ({
  address: ip.renderAddress(prefix.address),
  length: prefix.length,
  protocol,
  ports: { first, last },
});

function wrongWith(t: Target, [first, last]: readonly [string, string], { blockSmtp }: Limits, blocked: Blocked): Fault | null {
  if (t.first < 1 || t.first > 65_535) return fault('malformed', first, 'expected a port, 1 to 65535');
  if (t.last < t.first || t.last > 65_535) return fault('malformed', last, `expected a port, ${t.first} to 65535`);
  // "Everywhere" is a name for the Internet, of which the rules leave out what is blocked.
  const wall = t.prefix.length === 0 ? null : reach.wallOf(blocked, t.prefix);
  if (wall !== null) return fault('denied', 'address', `no session may reach ${wall}`);
  // A range may include mail, which the rules then refuse; who asks for it alone must hear that it is in vain.
  const isMail = t.protocol === 'tcp' && t.first === t.last && smtp.includes(t.first);
  return blockSmtp && isMail ? fault('denied', first, `no session may send mail by ${smtp.join(', ')}`) : null;
}

function isOverlapping(a: Target, b: Target): boolean {
  if (a.protocol !== b.protocol || a.prefix.address.length !== b.prefix.address.length) return false;
  const [one, other] = [ip.bounds(a.prefix), ip.bounds(b.prefix)];
  return a.first <= b.last && b.first <= a.last && one.first <= other.last && other.first <= one.last;
}

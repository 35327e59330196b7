// The owner's settings: UCI sections → typed values. Every option has one line below; what is not set takes the safe default named there,
// and what is set wrongly is a Fault that says where and how to mend it. Knows nothing of where the sections come from.

import { type BitRate, type ByteCount, type PublicKey, type Seconds, seconds } from './brand.ts';
import type { Endpoint } from './endpoint.ts';
import * as endpoint from './endpoint.ts';
import { type Claim, type Code, parseClaim } from './enrol.ts';
import type { Line } from './home.ts';
import type { Prefix } from './ip.ts';
import * as ip from './ip.ts';
import type { Limits } from './limits.ts';
import { type Fault, fault } from './result.ts';
import type { Span } from './schedule.ts';
import * as schedule from './schedule.ts';
import type { ByteRate, Pair } from './seat.ts';

/** A section of a UCI config: options are text, or a list of texts. */
export type Section = Readonly<{ name: string; type: string; options: ReadonlyMap<string, string | readonly string[]> }>;

export type Tls = Readonly<{ authority: string | null; pin: Uint8Array | null }>;
export type Broker = Readonly<{
  host: string;
  port: number;
  version: '5' | '3.1.1';
  user: string | null;
  password: string | null;
  tls: Tls | null;
  keepAlive: Seconds;
  /** Over how long its nodes come, and come back. */
  spread: Seconds;
}>;
/** What an owner may let a coordinator order. Asking, and receiving receipts, is everybody's. */
export const permissions = ['sessions', 'limit', 'probe', 'quarantine', 'restart', 'move', 'reboot'] as const;
export type Permission = (typeof permissions)[number];
/** Whose word counts: by a root key that is offline. */
export type Coordinator = Readonly<{ root: PublicKey; may: readonly Permission[]; claim: Code | null }>;
/** Brokers: the preferred one first; none: nobody but the owner is served. `id` null: the node's key names it. */
export type Settings = Readonly<{
  node: Readonly<{ id: string | null; prefix: string }>;
  brokers: readonly Broker[];
  coordinators: readonly Coordinator[];
}>;
/** Whom this node asks how good its line is. */
export type Probe = Readonly<{ kind: 'udp_echo' | 'tcp_connect'; host: string; port: number; period: Seconds }>;
/** What the owner may keep to himself, each by its name. */
export const groups = ['system', 'network', 'sharing', 'health'] as const;
export type Group = (typeof groups)[number];
/** What a node tells of itself; `without`: what is left out. */
export type Telling = Readonly<{ period: Seconds; without: readonly Group[]; probes: readonly Probe[] }>;
/** The owner's, for one session: what the agent has to respect before it signs anything. */
export type Ceilings = Limits['session'];
/** `auto`: drawn at setup and then written down. */
export type Tunnel = Readonly<{
  port: number;
  pool4: Prefix;
  pool6: Prefix | 'auto';
  uplinks: readonly string[];
  mtu: number;
  /** Where consumers call; null: at an uplink's address. */
  endpoint: Endpoint | null;
}>;
export type Share = Readonly<{ accepted: boolean; paused: boolean }>;
/** What is the enforcer's alone. */
export type Owner = Readonly<{ share: Share; tunnel: Tunnel; limits: Limits }>;
export type Parsed<T = Settings> = Readonly<{ ok: true; value: T }> | Readonly<{ ok: false; faults: readonly Fault[] }>;

type Read<T> = (text: string) => T | null;
type One<T> = Readonly<{ read: Read<T>; want: string; standard?: T | null }>;
type Many<T> = Readonly<{ each: Read<T>; want: string; standard: readonly T[] }>;
type Option<T> = One<T> | Many<T>;

const matching =
  <T extends string>(pattern: RegExp): Read<T> =>
  (text) =>
    pattern.test(text) ? (text as T) : null;
const whole =
  (least: number, most: number): Read<number> =>
  (text) =>
    /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null;
const truth: Read<boolean> = (text) => (text === '1' ? true : text === '0' ? false : null);
const digest: Read<Uint8Array> = (text) =>
  /^[0-9a-f]{64}$/.test(text) ? Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)) : null;

const prefix =
  (size?: 4 | 16): Read<Prefix> =>
  (text) => {
    const parsed = ip.parsePrefix(text);
    return parsed.ok && (size === undefined || parsed.value.address.length === size) ? parsed.value : null;
  };
/** The countersign port is another socket's. */
const port: Read<number> = (text) => (text === '4720' ? null : whole(1, 65_535)(text));
const orWord =
  <T, W extends string>(read: Read<T>, word: W): Read<T | W> =>
  (text) =>
    text === word ? word : read(text);

const rate = { read: whole(8, 100_000_000), want: 'kbit/s, 8 to 100000000', standard: 10_000 };
const spans: Read<readonly Span[]> = (text) => {
  const parsed = schedule.parse(text);
  return parsed.ok ? parsed.value : null;
};
const link = { read: whole(64, 100_000_000), want: 'kbit/s, 64 to 100000000', standard: null };
const flows = (standard: number) => ({ read: whole(1, 1_000_000), want: '1 to 1000000', standard });
const places = { each: prefix(), want: 'an address or a prefix, such as 203.0.113.0/24', standard: [] as readonly Prefix[] };
const credential = { read: matching(/^[^\0]{1,256}$/), want: '1 to 256 characters', standard: null };
const claim: Read<Claim> = (text) => {
  const parsed = parseClaim(text);
  return parsed.ok ? parsed.value : null;
};
export const options = {
  node: {
    // It is a level of a topic: no separator, no wildcard.
    id: { read: matching(/^[A-Za-z0-9._-]{1,64}$/), want: '1 to 64 letters, digits, dots, dashes or underscores', standard: null },
    prefix: { read: matching(/^[A-Za-z0-9._-]{1,32}(\/[A-Za-z0-9._-]{1,32}){0,7}$/), want: 'topic levels joined by /', standard: 'weir' },
  },
  broker: {
    host: { read: matching(/^[A-Za-z0-9._:-]{1,253}$/), want: 'a host name or an address' },
    port: { read: whole(1, 65_535), want: 'a port, 1 to 65535', standard: 8883 },
    version: { read: matching<'5' | '3.1.1'>(/^(5|3\.1\.1)$/), want: '5 or 3.1.1', standard: '5' },
    user: credential,
    password: credential,
    keepalive: { read: whole(5, 3600), want: 'seconds, 5 to 3600', standard: 60 },
    spread: { read: whole(0, 3600), want: 'seconds, 0 to 3600', standard: 120 },
    tls: { read: truth, want: '1 or 0', standard: true },
    authority: { read: matching(/^\/.{1,255}$/), want: 'the absolute path of a PEM file', standard: null },
    pin: { read: digest, want: '64 hexadecimal digits in small letters', standard: null },
  },
  coordinator: {
    root: { read: (text: string) => digest(text) as PublicKey | null, want: '64 hexadecimal digits in small letters', standard: null },
    may: {
      each: (text: string) => permissions.find((one) => one === text) ?? null,
      want: `one of ${permissions.join(', ')}`,
      standard: ['sessions', 'limit', 'probe', 'quarantine', 'restart'] as readonly Permission[],
    },
    claim: { read: claim, want: 'what the coordinator gave out: 20 letters and digits, or these, an @ and its root key', standard: null },
  },
  telemetry: {
    period: { read: whole(10, 3600), want: 'seconds, 10 to 3600', standard: 60 },
    leave_out: {
      each: (text: string) => groups.find((group) => group === text) ?? null,
      want: `one of ${groups.join(', ')}`,
      standard: [] as readonly Group[],
    },
  },
  probe: {
    kind: { read: matching<Probe['kind']>(/^(udp_echo|tcp_connect)$/), want: 'udp_echo or tcp_connect' },
    host: { read: matching(/^[A-Za-z0-9._:-]{1,253}$/), want: 'a host name or an address' },
    port: { read: whole(1, 65_535), want: 'a port, 1 to 65535' },
    period: { read: whole(10, 3600), want: 'seconds, 10 to 3600', standard: 60 },
  },
  share: {
    accepted: { read: truth, want: '1 or 0', standard: false },
    paused: { read: truth, want: '1 or 0', standard: false },
  },
  tunnel: {
    port: { read: port, want: 'a port, 1 to 65535, other than 4720', standard: 51_820 },
    pool4: { read: prefix(4), want: 'an IPv4 prefix', standard: { address: ip.addressAt(0x0a_d5_00_00n, 4), length: 22 } },
    pool6: { read: orWord(prefix(16), 'auto'), want: 'an IPv6 prefix, or auto', standard: 'auto' },
    uplink: { each: matching(/^[A-Za-z0-9_-]{1,32}$/), want: 'the name of an interface', standard: ['wan'] },
    mtu: { read: whole(1280, 1500), want: 'bytes, 1280 to 1500', standard: 1420 },
    endpoint: { read: endpoint.parse, want: 'HOST or HOST:PORT, with an IPv6 address in brackets', standard: null },
  },
  limits: {
    rate_up: rate,
    rate_down: rate,
    session_rate_up: rate,
    session_rate_down: rate,
    session_quota: { read: whole(1, 999_999_999), want: 'MiB, 1 to 999999999', standard: 10_240 },
    session_seconds: { read: whole(60, 31_536_000), want: 'seconds, 60 to 31536000', standard: 86_400 },
    sessions: { read: whole(1, 65_536), want: '1 to 65536', standard: 20 },
    monthly_cap: { read: orWord(whole(1, 999_999_999), 'none'), want: 'MiB, 1 to 999999999, or none', standard: 51_200 },
    // Every month has these.
    reset_day: { read: whole(1, 28), want: 'a day, 1 to 28', standard: 1 },
    household: { read: truth, want: '1 or 0', standard: false },
    block_smtp: { read: truth, want: '1 or 0', standard: true },
    deny: places,
    allow: places,
    flows_session: flows(50),
    flows_all: flows(500),
    connections_session: flows(512),
    connections_all: flows(4096),
    lower_effort: { read: truth, want: '1 or 0', standard: true },
    schedule: { each: spans, want: 'hours such as mon-fri 22:00-06:00', standard: [] as readonly (readonly Span[])[] },
    when_unknown: { read: matching<'open' | 'closed'>(/^(open|closed)$/), want: 'open or closed', standard: 'closed' },
    home_first: { read: truth, want: '1 or 0', standard: true },
    link_up: link,
    link_down: link,
    headroom: { read: whole(2, 50), want: 'percent, 2 to 50', standard: 10 },
  },
} satisfies Record<string, Record<string, Option<unknown>>>;

type SectionName = keyof typeof options;
type ValueOf<O> = O extends { each: Read<infer T> }
  ? readonly T[]
  : O extends { read: Read<infer T>; standard: null }
    ? T | null
    : O extends { read: Read<infer T> }
      ? T
      : never;
type Values<S extends SectionName> = { readonly [K in keyof (typeof options)[S]]: ValueOf<(typeof options)[S][K]> };

/** What the agent may see: null, a whole section; else the ceilings that it has to respect. */
const shown: ReadonlyMap<string, readonly string[] | null> = new Map<SectionName, readonly string[] | null>([
  ['node', null],
  ['broker', null],
  ['coordinator', null],
  ['telemetry', null],
  ['probe', null],
  ['limits', ['session_rate_up', 'session_rate_down', 'session_quota', 'session_seconds', 'sessions']],
]);

/** Of these there may be several, each with a name of its own. */
const several: readonly string[] = ['broker', 'coordinator', 'probe'];
/** A name that is ours decides; else what it is of, where there may be several of it. */
const kindOf = ({ name, type }: Section): string => (Object.hasOwn(options, name) || !several.includes(type) ? name : type);

export const ours = (sections: readonly Section[]): readonly Section[] =>
  sections.flatMap((section) => {
    const names = shown.get(kindOf(section));
    if (names === undefined) return [];
    return [names === null ? section : { ...section, options: new Map([...section.options].filter(([option]) => names.includes(option))) }];
  });

const mostOfAKind = 8;

export function parse(sections: readonly Section[]): Parsed {
  const faults: Fault[] = [];
  const node = take('node', sections, faults);
  const brokers = all('broker', sections, faults, (name) => brokerOf(name, sections, faults));
  const coordinators = all('coordinator', sections, faults, (name) => coordinatorOf(name, sections, faults));
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: { node, brokers, coordinators } };
}

/** As it is shipped the config has sections without an option. */
function all<T>(kind: SectionName, sections: readonly Section[], faults: Fault[], one: (name: string) => T): readonly T[] {
  const named = sections.filter((section) => kindOf(section) === kind && section.options.size > 0);
  if (named.length > mostOfAKind) faults.push(fault('limit', `weir.${kind}`, `at most ${mostOfAKind} of them`));
  return named.slice(0, mostOfAKind).map(({ name }) => one(name));
}

/** Its root by an option of its own or in the claim; they may not disagree. Holds what it promises only when no fault was added. */
function coordinatorOf(name: string, sections: readonly Section[], faults: Fault[]): Coordinator {
  const before = faults.length;
  const { root: own, may, claim } = take('coordinator', sections, faults, name);
  const claimed = claim === null || claim.root === null ? null : (digest(claim.root) as PublicKey | null);
  const root = own ?? claimed;
  if (faults.length === before && root === null)
    faults.push(fault('missing', `weir.${name}.root`, `set it to ${options.coordinator.root.want}`));
  if (own !== null && claimed !== null && !own.every((byte, i) => byte === claimed[i]))
    faults.push(fault('denied', `weir.${name}.claim`, 'is of another root than root'));
  return { root: root as PublicKey, may, claim: claim?.code ?? null };
}

function brokerOf(name: string, sections: readonly Section[], faults: Fault[]): Broker {
  const before = faults.length;
  const { keepalive, spread, tls, authority, pin, ...broker } = take('broker', sections, faults, name);
  if (faults.length === before && tls && authority === null && pin === null)
    faults.push(fault('missing', `weir.${name}.authority`, `set it to ${options.broker.authority.want}, or set a pin`));
  return { ...broker, keepAlive: seconds(keepalive), spread: seconds(spread), tls: tls ? { authority, pin } : null };
}

const kilo = (kbit: number): BitRate => (BigInt(kbit) * 1000n) as BitRate;
const bytesOf = ({ up, down }: Pair<number>): Pair<ByteRate> => ({ up: (kilo(up) / 8n) as ByteRate, down: (kilo(down) / 8n) as ByteRate });
const mebi = (mib: number): ByteCount => (BigInt(mib) << 20n) as ByteCount;

export function parseCeilings(sections: readonly Section[]): Parsed<Ceilings> {
  const faults: Fault[] = [];
  const l = take('limits', ours(sections), faults);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: ceilingsOf(l) };
}

const ceilingsOf = (l: Values<'limits'>): Ceilings => ({
  rate: { up: kilo(l.session_rate_up), down: kilo(l.session_rate_down) },
  quota: mebi(l.session_quota),
  lifetime: seconds(l.session_seconds),
});

export function parseTelling(sections: readonly Section[]): Parsed<Telling> {
  const faults: Fault[] = [];
  const { period, leave_out: without } = take('telemetry', sections, faults);
  const probes = all('probe', sections, faults, (name) => take('probe', sections, faults, name));
  if (faults.length > 0) return { ok: false, faults };
  const telling = { period: seconds(period), without, probes: probes.map((probe) => ({ ...probe, period: seconds(probe.period) })) };
  return { ok: true, value: telling };
}

export function parseOwner(sections: readonly Section[]): Parsed<Owner> {
  const faults: Fault[] = [];
  const share = take('share', sections, faults);
  const { uplink, ...tunnel } = take('tunnel', sections, faults);
  const l = take('limits', sections, faults);
  const home = faults.length > 0 ? null : lineOf(l, faults);
  if (faults.length > 0) return { ok: false, faults };
  const limits: Limits = {
    line: bytesOf({ up: l.rate_up, down: l.rate_down }),
    session: ceilingsOf(l),
    sessions: l.sessions,
    month: { cap: l.monthly_cap === 'none' ? null : mebi(l.monthly_cap), resetDay: l.reset_day, household: l.household },
    blockSmtp: l.block_smtp,
    deny: l.deny,
    allow: l.allow,
    flows: { session: l.flows_session, all: l.flows_all },
    connections: { session: l.connections_session, all: l.connections_all },
    lowerEffort: l.lower_effort,
    schedule: { spans: l.schedule.flat(), whenUnknown: l.when_unknown === 'open' },
    home,
  };
  return { ok: true, value: { share, tunnel: { ...tunnel, uplinks: uplink }, limits } };
}

/** null: nobody can tell what the household leaves over of a line whose speed is not known. */
function lineOf({ home_first, link_up: up, link_down: down, headroom }: Values<'limits'>, faults: Fault[]): Line | null {
  if (up !== null && down !== null) return home_first ? { link: bytesOf({ up, down }), headroom } : null;
  const lacking = up === null ? 'link_up' : 'link_down';
  if (up !== down) faults.push(fault('missing', `weir.limits.${lacking}`, `set it to ${link.want}; one is of no use without the other`));
  return null;
}

const mostItems = 256;

/** Holds what it promises only when no fault was added. */
function take<S extends SectionName>(kind: S, sections: readonly Section[], faults: Fault[], name: string = kind): Values<S> {
  const known: Readonly<Record<string, Option<unknown>>> = options[kind];
  const given = sections.find((section) => section.name === name)?.options ?? new Map<string, string>();
  for (const option of given.keys())
    if (!Object.hasOwn(known, option))
      faults.push(fault('unsupported', `weir.${name}.${option}`, `no such option; there are ${Object.keys(known).join(', ')}`));
  const values = Object.entries(known).map(([option, rule]) => {
    const path = `weir.${name}.${option}`;
    const text = given.get(option);
    if (text === undefined && rule.standard !== undefined) return [option, rule.standard];
    // What was set is not repeated: it may be a password in the wrong line.
    const bad = (at: string): null => {
      faults.push(fault(text === undefined ? 'missing' : 'malformed', at, `set it to ${rule.want}`));
      return null;
    };
    if ('read' in rule) return [option, (typeof text === 'string' ? rule.read(text) : null) ?? bad(path)];
    // Who sets a list of one often writes an option.
    const texts = text === undefined ? [] : [text].flat();
    if (texts.length > mostItems) faults.push(fault('limit', path, `at most ${mostItems} of them`));
    return [option, texts.slice(0, mostItems).map((item, i) => rule.each(item) ?? bad(`${path}.${i}`))];
  });
  return Object.fromEntries(values) as Values<S>;
}

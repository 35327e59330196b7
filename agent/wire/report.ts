// Reports of the enforcer ↔ tables of the bus: what it finds around it (`facts`), and what is to be mended (`doctor`). Decides nothing.

import type { Finding, Grade } from '../core/doctor.ts';
import * as ip from '../core/ip.ts';
import type { Addresses } from '../core/pool.ts';
import { type Fault, fail, ok, type Result, text } from '../core/result.ts';
import type { Uplink } from '../core/uplink.ts';
import * as uplinks from '../core/uplink.ts';
import type { Table, Value } from './blobmsg.ts';
import * as blobmsg from './blobmsg.ts';
import * as fields from './fields.ts';

/** What is null or undefined is left out. */
function some(values: Readonly<Record<string, Value | null | undefined>>): Table {
  return Object.entries(values).flatMap(([name, value]) => (value === null || value === undefined ? [] : [{ name, value }]));
}
const nested = (values: Parameters<typeof some>[0]): Value => blobmsg.nested(some(values));
const texts = (list: readonly string[]): Value => blobmsg.array(list.map(blobmsg.string));
const maybe = <T>(value: T | null | undefined, make: (value: T) => Value): Value | null =>
  value === null || value === undefined ? null : make(value);

export type Link = Readonly<{ speed: number | null; mtu: number; traffic: Readonly<{ received: bigint; sent: bigint }> | null }>;
export type Facts = Readonly<{
  why: Fault | null;
  hold: string | null;
  tunnel: Readonly<{ by: string; key: string | null }> | null;
  port: number | null;
  addresses: Addresses | null;
  sessions: number;
  month: Readonly<{ used: bigint; today: bigint | null; cap: bigint | null }> | null;
  canCountConnections: boolean;
  /** Of all guests, in bytes a second, where the household comes first. */
  rate: bigint | null;
  /** For which IP every counter is proven. */
  proof: Readonly<{ versions: readonly number[] }> | null;
  /** To flash. */
  writes: number;
  /** Packets. */
  dropped: Readonly<{ refused: bigint; spent: bigint }> | null;
  faults: readonly Fault[];
  uplinks: readonly Uplink[];
  links: ReadonlyMap<string, Link>;
  board: Readonly<Record<string, string>> | null;
  load: Readonly<{ uptime: number; load: readonly number[]; memory: Room; flash: Room }> | null;
  /** In degrees. */
  temperatures: readonly number[];
  offload: string | null;
  /** By NTP, since the router was started. */
  isClockTold: boolean;
}>;
type Room = Readonly<{ total: bigint; available: bigint }>;

const encodeRoom = ({ total, available }: Room): Value =>
  blobmsg.nested(blobmsg.table({ total: blobmsg.int64(total), available: blobmsg.int64(available) }));

export function encodeFacts(f: Facts): Table {
  return some({
    shares: blobmsg.boolean(f.why === null),
    why: maybe(f.why, (why) => blobmsg.string(text(why))),
    rules: maybe(f.hold, blobmsg.string),
    tunnel: maybe(f.tunnel, ({ by }) => blobmsg.string(by)),
    key: maybe(f.tunnel?.key, blobmsg.string),
    port: maybe(f.port, blobmsg.int32),
    address4: maybe(f.addresses?.four, (four) => blobmsg.string(ip.renderAddress(four))),
    address6: maybe(f.addresses?.six, (six) => blobmsg.string(ip.renderAddress(six))),
    sessions: blobmsg.int32(f.sessions),
    month_used: maybe(f.month?.used, blobmsg.int64),
    today_used: maybe(f.month?.today, blobmsg.int64),
    month_cap: maybe(f.month?.cap, blobmsg.int64),
    counts_connections: blobmsg.boolean(f.canCountConnections),
    guests_rate: maybe(f.rate, (rate) => blobmsg.int64(8n * rate)),
    canary: maybe(f.proof, ({ versions }) => blobmsg.string(versions.map((v) => `IPv${v}`).join(' '))),
    writes: blobmsg.int32(f.writes),
    dropped_refused: maybe(f.dropped?.refused, blobmsg.int64),
    dropped_spent: maybe(f.dropped?.spent, blobmsg.int64),
    troubles: texts(f.faults.map(text)),
    uplinks: blobmsg.array(f.uplinks.map((u) => encodeUplink(u, u.device === null ? undefined : f.links.get(u.device)))),
    board: maybe(f.board, (board) =>
      blobmsg.nested(Object.entries(board).map(([name, value]) => ({ name, value: blobmsg.string(value) }))),
    ),
    load: maybe(f.load, ({ uptime, load, memory, flash }) =>
      nested({
        uptime: blobmsg.int64(BigInt(uptime)),
        load: blobmsg.array(load.map((average) => blobmsg.int32(Math.round(average * 100)))),
        memory: encodeRoom(memory),
        flash: encodeRoom(flash),
      }),
    ),
    temperatures: blobmsg.array(f.temperatures.map((degrees) => blobmsg.int32(Math.round(degrees)))),
    offload: maybe(f.offload, blobmsg.string),
    clock: blobmsg.string(f.isClockTold ? 'network' : 'unknown'),
  });
}

function encodeUplink(u: Uplink, link: Link | undefined): Value {
  return nested({
    name: blobmsg.string(u.name),
    up: blobmsg.boolean(u.up),
    device: maybe(u.device, blobmsg.string),
    addresses: texts(u.addresses.map(({ address, length }) => `${ip.renderAddress(address)}/${length}`)),
    hints: texts(uplinks.hints(u)),
    dns: texts(u.dns.map(ip.renderAddress)),
    speed: maybe(link?.speed, blobmsg.int32),
    mtu: maybe(link?.mtu, blobmsg.int32),
    received: maybe(link?.traffic?.received, blobmsg.int64),
    sent: maybe(link?.traffic?.sent, blobmsg.int64),
  });
}

const findingFields = ['grade', 'about', 'says', 'mend'] as const;

export const encodeFindings = (findings: readonly Finding[]): Table =>
  blobmsg.table({
    findings: blobmsg.array(findings.map((f) => blobmsg.nested(findingFields.map((name) => ({ name, value: blobmsg.string(f[name]) }))))),
  });

export function decodeFindings(t: Table): Result<readonly Finding[]> {
  const list = fields.array(t, 'findings');
  if (!list.ok) return list;
  const findings: Finding[] = [];
  for (const value of list.value) {
    const inner = value.kind === 'table' ? value.fields : [];
    const [grade, about, says, mend] = findingFields.map((name) => fields.string(inner, name));
    if (!grade?.ok || !about?.ok || !says?.ok || !mend?.ok) return fail('malformed', 'findings', 'expected grade, about, says and mend');
    findings.push({ grade: grade.value as Grade, about: about.value, says: says.value, mend: mend.value });
  }
  return ok(findings);
}

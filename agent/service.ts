// What the enforcer answers on the bus: tables to values, the warden, values to tables. Part of the enforcer's root, loaded with the first
// question. Each export is a method; who may call it is decided before.

import './host/globals.ts';
import type { Bus } from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import { millis } from './core/brand.ts';
import { type Fault, fail, fault, ok, type Result } from './core/result.ts';
import * as config from './core/settings.ts';
import type { Host } from './ports/host.ts';
import * as survey from './survey.ts';
import type { Warden } from './warden.ts';
import type { Table } from './wire/blobmsg.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as wire from './wire/enforcer.ts';
import * as report from './wire/report.ts';
import * as strains from './wire/strain.ts';

export type Here = Readonly<{ host: Host; bus: Bus; warden: Warden }>;
type Method = (here: Here, args: Table) => Promise<Result<Table>>;

const asked =
  <M extends wire.Method>(
    name: M,
    run: (warden: Warden, items: readonly Result<wire.Asked[M]>[]) => Promise<readonly Result<wire.Answers[M]>[]>,
  ): Method =>
  async ({ warden }, args) => {
    const batch = wire.decodeAsked(name, args);
    if (!batch.ok) return ok(wire.encodeRefusal(batch.fault));
    const items = await run(warden, batch.value.items);
    return ok(wire.encodeAnswers(name, { isBatch: batch.value.isBatch, items }));
  };

const command =
  (run: (warden: Warden) => Promise<Result<unknown>>): Method =>
  async ({ warden }, args) => {
    const result = args.length === 0 ? await run(warden) : fail('malformed', '', 'takes nothing');
    return ok(result.ok ? blobmsg.table({ changed: blobmsg.boolean(result.value !== false) }) : wire.encodeRefusal(result.fault));
  };

export const admit = asked('admit', (warden, items) => warden.admit(items));
export const renew = asked('renew', (warden, items) => warden.renew(items));
export const change = asked('change', (warden, items) => warden.change(items));
export const evict = asked('evict', (warden, items) => warden.evict(items));

export const setup = command((warden) => warden.setup());
export const teardown = command((warden) => warden.teardown());
export const share = command((warden) => warden.share());
export const pause = command((warden) => warden.pause());
export const resume = command((warden) => warden.resume());

export const read: Method = async ({ warden }, args) => {
  const span = wire.decodeSpan(args);
  if (!span.ok) return ok(wire.encodeRefusal(span.fault));
  const rows = await warden.rows();
  const { why, faults } = warden.state();
  const all = [...(why === null ? [] : [why]), ...faults];
  return ok(
    rows.ok
      ? wire.encodePage(wire.pageOf({ rows: rows.value, gone: warden.departed(), faults: all }, span.value))
      : wire.encodeRefusal(rows.fault),
  );
};

export const strain: Method = async ({ warden }, args) => {
  const delay = strains.decodeDelay(args);
  const servers = delay.ok ? warden.strain(delay.value) : delay;
  return ok(servers.ok ? strains.encodeServers(servers.value) : wire.encodeRefusal(servers.fault));
};

export const facts: Method = async ({ host, bus, warden }) => {
  const state = warden.state();
  return ok(report.encodeFacts({ ...state, dropped: await warden.dropped(), ...(await survey.around(host, bus, state.uplinks)) }));
};

const patience = millis(10_000);
/** Whoever orders it every minute would have a router that does nothing else. */
const betweenReboots = 600_000;

export const reboot: Method = async ({ host, bus }, args) => {
  const why = args.length > 0 ? fault('malformed', '', 'takes nothing') : await unrebootable(host, bus);
  const done = why === null ? await bus.call('system', 'reboot', [], patience) : { ok: false as const, fault: why };
  return ok(done.ok ? [] : wire.encodeRefusal(done.fault));
};

/** The agent's word is not enough: it may be somebody else's by now. */
async function unrebootable({ clock }: Host, bus: Bus): Promise<Fault | null> {
  const sections = await uci.read(bus.call, 'weir');
  if (!sections.ok) return sections.fault;
  const parsed = config.parse(sections.value);
  const isAllowed = parsed.ok && parsed.value.coordinators.some(({ may }) => may.includes('reboot'));
  if (!isAllowed) return fault('denied', 'weir.coordinator.may', 'the owner lets nobody order it');
  return clock.monotonic() < betweenReboots ? fault('denied', 'uptime', `not before ${betweenReboots / 60_000} minutes`) : null;
}

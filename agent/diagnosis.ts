// What is wrong, as the enforcer sees it. Part of the enforcer's root, loaded when the owner asks.

import './host/globals.ts';
import * as uci from './adapters/uci.ts';
import * as examination from './core/doctor.ts';
import { ok, type Result } from './core/result.ts';
import * as config from './core/settings.ts';
import * as standing from './core/standing.ts';
import { isClockTold } from './role.ts';
import type { Here } from './service.ts';
import * as survey from './survey.ts';
import type { Table } from './wire/blobmsg.ts';
import * as report from './wire/report.ts';

export const answer = async (here: Here): Promise<Result<Table>> => ok(report.encodeFindings(examination.examine(await symptoms(here))));

async function symptoms({ host, bus, warden }: Here): Promise<examination.Symptoms> {
  const { why, faults, hold, tunnel, proof, uplinks } = warden.state();
  const sections = await uci.read(bus.call, 'weir');
  const parsed = sections.ok ? [config.parse(sections.value), config.parseTelling(sections.value), config.parseOwner(sections.value)] : [];
  const owner = sections.ok ? config.parseOwner(sections.value) : null;
  const port = owner?.ok ? owner.value.tunnel.port : null;
  return {
    settings: sections.ok ? parsed.flatMap((p) => (p.ok ? [] : p.faults)) : [sections.fault],
    why,
    troubles: faults,
    lacks: await warden.lacks(),
    hold,
    tunnel: tunnel === null ? null : tunnel.by,
    proven: proof === null ? null : proof.versions,
    offload: await survey.offload(bus),
    takenPort: why?.code === 'EADDRINUSE' ? port : null,
    uplinks,
    isHomeFirst: owner?.ok ? owner.value.limits.home !== null : null,
    isApplying: await uci.isApplying(bus.call),
    isClockSet: standing.today(host.clock.wall()) !== null,
    isClockTold: isClockTold(host),
    flash: await survey.flash(bus),
  };
}

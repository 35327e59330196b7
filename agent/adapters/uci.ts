// rpcd's ubus object `uci`: reads a config, and writes what of it is ours. Writing happens in a session of its own, so that what others
// have staged and not committed stays staged. Knows no option's meaning; core/claim says what is ours.

import { type Millis, millis } from '../core/brand.ts';
import type { Config, Configs, Plan, State } from '../core/claim.ts';
import * as claim from '../core/claim.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Section } from '../core/settings.ts';
import type { Clock } from '../ports/host.ts';
import type { Table } from '../wire/blobmsg.ts';
import * as blobmsg from '../wire/blobmsg.ts';
import * as fields from '../wire/fields.ts';
import * as sections from '../wire/sections.ts';

type Call = (path: string, method: string, args: Table, deadline: Millis) => Promise<Result<Table>>;
export type Rpcd = Readonly<{ call: Call; clock: Pick<Clock, 'after'> }>;

const patience = millis(5000);

/** As committed: without a session of our own we would be told what anybody has staged, too. */
export const read = (call: Call, config: string): Promise<Result<readonly Section[]>> =>
  inSession(call, [config], (session) => readIn(call, config, session));

async function readIn(call: Call, config: string, session: Table): Promise<Result<readonly Section[]>> {
  const answer = await call('uci', 'get', [...blobmsg.table({ config: blobmsg.string(config) }), ...session], patience);
  const decoded = answer.ok ? sections.decode(answer.value) : answer;
  return decoded.ok ? decoded : { ok: false, fault: under(`uci.${config}`, decoded.fault) };
}

/** Claims what the plan says; true: something had to be written, and netifd and fw4 reload within seconds. */
export const setup = (rpcd: Rpcd, plan: Plan): Promise<Result<boolean>> =>
  within(rpcd, async (session, have) => {
    const want = claim.plan(plan, have);
    return want.ok ? write(rpcd, session, claim.configs, want.value, have) : want;
  });

/** Leaves nothing of ours behind; true: there was something. */
export const teardown = (rpcd: Rpcd): Promise<Result<boolean>> =>
  // First the tunnel, then what stood around it.
  within(rpcd, (session, have) => write(rpcd, session, claim.configs.toReversed(), { network: [], firewall: [] }, have));

export const state = (rpcd: Rpcd, plan: Plan): Promise<Result<State>> =>
  within(rpcd, async (_session, have) => {
    const want = claim.plan(plan, have);
    return want.ok ? ok(claim.compare(want.value, have)) : want;
  });

/** Of silence, after which rpcd forgets the session: more than the longest pause between two tries, and short for what a crash leaves. */
const sessionSeconds = 60;

/** Writes options of one section of a config, and nothing else; the section is made where it is not there, of the type of its name. */
export const set = (rpcd: Rpcd, config: string, section: string, options: Section['options']): Promise<Result<void>> =>
  inSession(rpcd.call, [config], async (session) => {
    const of = [...blobmsg.table({ config: blobmsg.string(config) }), ...session];
    const values = blobmsg.nested(sections.encodeOptions(options));
    const known = await rpcd.call('uci', 'set', [...of, ...blobmsg.table({ section: blobmsg.string(section), values })], patience);
    const name = blobmsg.string(section);
    const staged =
      known.ok || known.fault.code !== 'missing'
        ? known
        : await rpcd.call('uci', 'add', [...of, ...blobmsg.table({ type: name, name, values })], patience);
    const committed = staged.ok ? await commit(rpcd, of) : staged;
    return committed.ok ? ok(undefined) : { ok: false, fault: under(`uci.${config}`, committed.fault) };
  });

/** Whether LuCI waits for its user's word on what was applied: a stranger's word for it is refused only then. */
export async function isApplying(call: Call): Promise<boolean> {
  const confirmed = await inSession(call, ['weir'], (session) => call('uci', 'confirm', session, patience));
  return !confirmed.ok && confirmed.fault.code === 'denied';
}

const within = <T>({ call }: Rpcd, act: (session: Table, have: Configs) => Promise<Result<T>>): Promise<Result<T>> =>
  inSession(call, claim.configs, async (session) => {
    const firewall = await readIn(call, 'firewall', session);
    if (!firewall.ok) return firewall;
    const network = await readIn(call, 'network', session);
    return network.ok ? act(session, { firewall: firewall.value, network: network.value }) : network;
  });

async function inSession<T>(call: Call, configs: readonly string[], act: (session: Table) => Promise<Result<T>>): Promise<Result<T>> {
  const created = await call('session', 'create', blobmsg.table({ timeout: blobmsg.int32(sessionSeconds) }), patience);
  if (!created.ok) return created;
  const id = fields.string(created.value, 'ubus_rpc_session');
  if (!id.ok) return { ok: false, fault: under('session.create', id.fault) };
  const session = blobmsg.table({ ubus_rpc_session: blobmsg.string(id.value) });
  const done = await granted(call, session, configs, act);
  const destroyed = await call('session', 'destroy', session, patience);
  return done.ok && !destroyed.ok ? destroyed : done;
}

async function granted<T>(
  call: Call,
  session: Table,
  configs: readonly string[],
  act: (session: Table) => Promise<Result<T>>,
): Promise<Result<T>> {
  const rights = configs.flatMap((config) => ['read', 'write'].map((right) => [config, right]));
  const objects = blobmsg.array(rights.map((pair) => blobmsg.array(pair.map(blobmsg.string))));
  const allowed = await call('session', 'grant', [...session, ...blobmsg.table({ scope: blobmsg.string('uci'), objects })], patience);
  return allowed.ok ? act(session) : allowed;
}

async function write(rpcd: Rpcd, session: Table, order: readonly Config[], want: Configs, have: Configs): Promise<Result<boolean>> {
  let changed = false;
  for (const config of order) {
    const { remove, add } = claim.steps(config, want[config], have[config]);
    if (remove.length + add.length === 0) continue;
    changed = true;
    const of = [...blobmsg.table({ config: blobmsg.string(config) }), ...session];
    const staged = await stage(rpcd.call, of, remove, add);
    const committed = staged.ok ? await commit(rpcd, of) : staged;
    if (!committed.ok) return { ok: false, fault: under(`uci.${config}`, committed.fault) };
  }
  return ok(changed);
}

// `add` to a section that is there would merge the two, so what is to change goes whole and comes whole.
async function stage(call: Call, of: Table, remove: readonly string[], add: readonly Section[]): Promise<Result<unknown>> {
  for (const name of remove) {
    const deleted = await call('uci', 'delete', [...of, ...blobmsg.table({ section: blobmsg.string(name) })], patience);
    if (!deleted.ok) return deleted;
  }
  for (const { type, name, options } of add) {
    const values = blobmsg.nested(sections.encodeOptions(options));
    const args = blobmsg.table({ type: blobmsg.string(type), name: blobmsg.string(name), values });
    const added = await call('uci', 'add', [...of, ...args], patience);
    if (!added.ok) return added;
  }
  return ok(undefined);
}

// LuCI lets its user confirm for up to 90 s, and until then nobody may commit.
const pauses = [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15].map((s) => millis(1000 * s));

async function commit({ call, clock }: Rpcd, of: Table): Promise<Result<unknown>> {
  for (const pause of [...pauses, null]) {
    const committed = await call('uci', 'commit', of, patience);
    if (committed.ok || committed.fault.code !== 'denied') return committed;
    if (pause !== null) await new Promise<void>((resolve) => void clock.after(pause, resolve));
  }
  return fail('denied', '', 'changes wait to be confirmed in LuCI (Save & Apply); confirm or revert them, then try again');
}

// What coordinators order, over a real broker, and what becomes of it; the agent in a WebAssembly engine, the enforcer one of numbers.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Order, Outcome } from '../../agent/core/command.ts';
import { ok } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import { grantId, type SessionId } from '../../agent/core/signed.ts';
import { host } from '../../agent/host/node.ts';
import * as cose from '../../agent/wire/cose.ts';
import { bytesOf } from '../../agent/wire/form.ts';
import * as coordinators from '../fakes/coordinator.ts';
import * as enforcer from '../fakes/enforcer.ts';
import type { Guest } from '../fakes/guest.ts';
import * as house from '../fakes/house.ts';
import type { Broker } from '../fakes/mosquitto.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import * as nats from '../fakes/nats.ts';
import * as seats from '../fakes/seats.ts';

const key = (letter: string): PeerKey => `${letter.repeat(42)}A=` as PeerKey;
const mib = (n: number): ByteCount => (BigInt(n) << 20n) as ByteCount;
const facts = { key: key('r'), port: 51_820, uplinks: [{ name: 'wan', up: true, addresses: ['203.0.113.7/24'], hints: [], dns: [] }] };

type Ground = Readonly<{
  h: house.House;
  node: string;
  kernel: seats.Seats;
  agent: Guest;
  /** May order all; and what a coordinator may by itself. */
  one: coordinators.Coordinator;
  other: coordinators.Coordinator;
  reboots: () => number;
  /** The agent's clock goes on by so much. */
  later: (span: number) => void;
}>;

const mosquittos = await mosquitto.start();
/** Each has a name of its own, because the broker keeps what the one before has said. */
let nodes = 0;

async function within(
  work: (g: Ground) => Promise<void>,
  kind: 'wasm' | 'native' = 'wasm',
  version: '5' | '3.1.1' = '5',
  broker: Broker = mosquittos,
): Promise<void> {
  const all = ['sessions', 'limit', 'probe', 'quarantine', 'restart', 'move', 'reboot'];
  nodes += 1;
  const node = `roof-${nodes}`;
  let ahead = 0;
  const ground = { ...host, clock: { ...host.clock, monotonic: () => millis(host.clock.monotonic() + ahead) } };
  const h = await house.open(undefined, {
    broker,
    ground,
    config: (_, authority) =>
      `config node 'node'\n\toption id '${node}'\n${mosquitto.section(broker, kind === 'wasm' ? broker.name : '127.0.0.1', authority)}\toption version '${version}'\n\n` +
      coordinators.section('one', ...all) +
      coordinators.section('other'),
  });
  const kernel = seats.seats(() => host.clock.monotonic());
  let reboots = 0;
  let bus: Bus | null = null;
  const open: coordinators.Coordinator[] = [];
  try {
    const opened = await ubus.open(host, { path: h.socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined });
    if (!opened.ok) throw new Error(opened.fault.reason);
    bus = opened.value;
    const reboot = {
      args: {},
      run() {
        reboots += 1;
        return ok([]);
      },
    };
    await bus.publish('weir.enforcer', { ...enforcer.methods(bus, kernel, facts), reboot });
    kernel.refuse(null);
    const agent = kind === 'wasm' ? await h.run('agent') : await h.runNative('agent');
    await agent.says(/published .*state/);
    for (const name of ['one', 'other']) {
      const { user, password, tlsPort: port, name: called, authority } = broker;
      const tls = { name: called, authorities: authority };
      const c = await coordinators.open(name, { port, user, password, tls }, `weir/${node}`, version);
      open.push(c);
      await c.born();
      await c.certify();
    }
    const [one, other] = open;
    if (one === undefined || other === undefined) throw new Error('fewer coordinators than were opened');
    const later = (span: number): void => {
      ahead += span;
    };
    await work({ h, node, kernel, agent, one, other, reboots: () => reboots, later });
  } finally {
    for (const c of open) c.close();
    bus?.close();
    await h.close();
  }
}

const sessionOf = (grant: Uint8Array): SessionId => {
  const signed = cose.decode(grant);
  if (!signed.ok) throw new Error(signed.fault.reason);
  return grantId(cose.digestOf(signed.value, host));
};
const refusal = (o: Outcome): string => (o.kind === 'refused' ? `${o.code} ${o.path}` : o.kind);

/** A session of this coordinator's, open. */
async function begun({ one }: Pick<Ground, 'one'>, letter: string): Promise<Readonly<{ grant: Uint8Array; session: SessionId }>> {
  const grant = one.grant(key(letter));
  assert.is((await one.order({ kind: 'open', grant })).kind, 'opened');
  return { grant, session: sessionOf(grant) };
}

const rows: Readonly<Record<Order['kind'], (g: Ground) => Promise<void>>> = {
  async open(g) {
    const grant = g.one.grant(key('a'));
    const opened = await g.one.order({ kind: 'open', grant });
    assert.equal(opened, { kind: 'opened', session: sessionOf(grant), address4: '10.213.0.2', address6: 'fd00::2' });
    assert.ok(g.kernel.held(key('a')));
    assert.equal(await g.one.order({ kind: 'open', grant }), opened, 'the same grant again is the same session');
    assert.is(refusal(await g.one.order({ kind: 'open', grant: g.one.grant(key('a')) })), 'exists grant.peer');
    assert.is(
      refusal(await g.one.order({ kind: 'open', grant: g.one.grant(key('b'), { quota: { kind: 'shared', bytes: mib(99_999) } }) })),
      'denied grant.quota',
    );
    assert.is(refusal(await g.other.order({ kind: 'open', grant: g.one.grant(key('b')) })), 'denied order.grant');
  },
  async list(g) {
    const [first, second] = [await begun(g, 'a'), await begun(g, 'b')];
    const listed = await g.one.order({ kind: 'list', after: null });
    const sessions = [first.session, second.session].sort();
    assert.equal(
      listed.kind === 'listed' && listed.sessions.map(({ session, condition }) => [session, condition]),
      sessions.map((s) => [s, 'open']),
    );
    const rest = await g.one.order({ kind: 'list', after: sessions[0] ?? null });
    assert.equal(rest.kind === 'listed' && rest.sessions.map(({ session }) => session), sessions.slice(1));
    assert.equal(await g.other.order({ kind: 'list', after: null }), { kind: 'listed', sessions: [], more: false });
    const shown = await g.h.run('cli', 'sessions');
    await shown.ended;
    assert.match(shown.printed(), new RegExp(`^${first.session.slice(0, 8)} .* ${g.one.rootId}$`, 'm'), 'the owner sees whose it is');
  },
  async topUp(g) {
    const { session } = await begun(g, 'a');
    const more = { session, revision: 1, quota: { kind: 'shared', bytes: mib(200) } } as const;
    const grant = g.one.grant(key('a'), more);
    assert.is(refusal(await g.other.order({ kind: 'topUp', grant: g.other.grant(key('a'), more) })), 'denied grant.session');
    assert.is((await g.one.order({ kind: 'topUp', grant })).kind, 'opened');
    assert.equal(g.kernel.held(key('a'))?.wish.quota, { kind: 'shared', bytes: mib(200) });
    assert.is((await g.one.order({ kind: 'topUp', grant })).kind, 'opened', 'twice is once');
    assert.is(
      refusal(await g.one.order({ kind: 'topUp', grant: g.one.grant(key('a'), { session, revision: 1 }) })),
      'stale grant.revision',
    );
  },
  async change(g) {
    const { session } = await begun(g, 'a');
    const slow = { up: 1_000_000n, down: 1_000_000n };
    assert.is((await g.one.order({ kind: 'change', grant: g.one.grant(key('a'), { session, revision: 1, rate: slow }) })).kind, 'opened');
    assert.equal(g.kernel.held(key('a'))?.wish.rate, slow);
    const other = await g.one.order({ kind: 'change', grant: g.one.grant(key('b'), { session, revision: 2 }) });
    assert.is(refusal(other), 'denied grant.peer');
  },
  async close(g) {
    const { grant, session } = await begun(g, 'a');
    g.kernel.pass(key('a'), 1000, 2000);
    assert.is(refusal(await g.other.order({ kind: 'close', session })), 'denied session');
    assert.is((await g.one.order({ kind: 'close', session })).kind, 'done');
    assert.is(g.kernel.held(key('a')), undefined);
    const { receipt } = await g.one.receipt();
    assert.equal([receipt.session, receipt.counted.up, receipt.final], [session, 1000n, 'revoked']);
    assert.is(refusal(await g.one.order({ kind: 'close', session })), 'missing session');
    assert.is(refusal(await g.one.order({ kind: 'open', grant })), `closed ${session}`, 'a grant is good for one session');
    assert.is(g.kernel.held(key('a')), undefined);
  },
  async limit(g) {
    const { grant } = await begun(g, 'a');
    const rate = { up: 1_000_000n, down: 2_000_000n };
    const limit = { kind: 'limit', rate, sessions: 1, isPaused: false } as const;
    assert.is((await g.one.order(limit)).kind, 'done');
    assert.is(refusal(await g.one.order({ kind: 'open', grant: g.one.grant(key('b')) })), 'limit limit.sessions');
    // The same grant again is answered when all is as it should be.
    assert.is((await g.one.order({ kind: 'open', grant })).kind, 'opened');
    assert.equal(g.kernel.held(key('a'))?.wish.rate, rate);
    assert.is((await g.one.order({ ...limit, isPaused: true })).kind, 'done');
    await g.agent.says(/session \w+: paused: limit/);
    assert.is(refusal(await g.one.order({ kind: 'open', grant: g.one.grant(key('b')) })), 'denied limit');
    assert.is((await g.one.order({ kind: 'limit', rate: null, sessions: null, isPaused: false })).kind, 'done');
    await begun(g, 'b');
    const above = { up: 1n << 40n, down: 1_000_000n };
    assert.is(refusal(await g.one.order({ ...limit, rate: above })), 'limit order.rate.up');
  },
  async acknowledge(g) {
    const { session } = await begun(g, 'a');
    g.kernel.pass(key('a'), 1000, 2000);
    assert.is((await g.one.order({ kind: 'close', session })).kind, 'done');
    const { receipt, digest } = await g.one.receipt();
    const said = { session, sequence: receipt.sequence, digest };
    const acknowledge = (...receipts: readonly (typeof said)[]) => ({ kind: 'acknowledge', receipts, root: null }) as const;
    assert.is(refusal(await g.other.order(acknowledge(said))), 'denied order.receipts.0');
    const forged = { ...said, digest: said.digest.replace(/^./, (c) => (c === '0' ? '1' : '0')) as typeof said.digest };
    assert.is(refusal(await g.one.order(acknowledge(forged))), 'forged order.receipts.0');
    assert.is(refusal(await g.one.order({ kind: 'send', session, from: 1 })), 'done', 'still kept');
    assert.is((await g.one.receipt()).digest, digest);
    assert.is((await g.one.order(acknowledge(said))).kind, 'done');
    assert.is((await g.one.order(acknowledge(said))).kind, 'done', 'twice is once');
    assert.is(refusal(await g.one.order({ kind: 'send', session, from: 1 })), 'missing session', 'let go');
    // Who knows more of a chain than we do has heard it from us before we lost it.
    const open = await begun(g, 'b');
    assert.is(refusal(await g.one.order(acknowledge({ ...said, session: open.session }))), 'missing order.receipts.0');
    const { receipt: last } = await g.one.receipt();
    assert.equal([last.session, last.final], [open.session, 'lost']);
  },
  async send(g) {
    const { session } = await begun(g, 'a');
    g.kernel.pass(key('a'), 1000, 2000);
    assert.is((await g.one.order({ kind: 'close', session })).kind, 'done');
    const { digest } = await g.one.receipt();
    assert.is((await g.one.order({ kind: 'send', session, from: 1 })).kind, 'done');
    assert.is((await g.one.receipt()).digest, digest, 'once more');
    assert.is(refusal(await g.other.order({ kind: 'send', session, from: 1 })), 'denied session');
  },
  async probe(g) {
    const probe = { kind: 'probe', protocol: 'udp', address: '127.0.0.1', port: 9, times: 1, size: 0 } as const;
    assert.is(refusal(await g.one.order(probe)), 'denied order.address');
  },
  async quarantine(g) {
    const { session } = await begun(g, 'a');
    assert.is((await g.one.order({ kind: 'quarantine', isOn: true })).kind, 'done');
    const { receipt } = await g.one.receipt();
    assert.equal([receipt.session, receipt.final], [session, 'quarantined']);
    assert.is(refusal(await g.one.order({ kind: 'open', grant: g.one.grant(key('b')) })), 'denied limit');
    assert.is((await g.one.order({ kind: 'quarantine', isOn: false })).kind, 'done');
    await begun(g, 'b');
  },
  async restart(g) {
    assert.is(refusal(await g.one.order({ kind: 'restart' })), 'denied uptime');
    g.later(600_000);
    assert.is((await g.one.order({ kind: 'restart' })).kind, 'done');
    assert.equal(await g.agent.ended, { ok: true, value: 0 });
    await g.h.run('agent');
    const before = g.one.commandOf({ kind: 'list', after: null }).epoch;
    assert.not.equal((await g.one.born()).epoch, before);
    await g.one.certify();
    assert.is((await g.one.order({ kind: 'list', after: null })).kind, 'listed');
  },
  async move(g) {
    const move = (port: number, pin: Uint8Array | null) => ({ kind: 'move', brokers: [{ host: g.h.broker.name, port, pin }] }) as const;
    assert.is(refusal(await g.other.order(move(1, null))), 'denied order');
    const { sequence } = await g.one.order(move(1, null)).then(async () => {
      await g.agent.says(/link: goes to broker\.test:1,/);
      return g.one.born();
    });
    assert.ok(sequence > 1, 'nobody is there, so it comes back');
    const there = await mosquitto.start();
    const base = `weir/${g.node}`;
    try {
      // Its authority is another, so without a pin it would not be believed.
      assert.is((await g.one.order(move(there.tlsPort, null))).kind, 'done');
      await g.agent.says(/tls-certificate/);
      assert.ok((await g.one.born()).sequence > sequence);
      assert.is((await g.one.order(move(there.tlsPort, bytesOf(there.pin)))).kind, 'done');
      const moved = await coordinators.open('one', there, base);
      await moved.born();
      const grant = moved.grant(key('a'));
      assert.is((await moved.order({ kind: 'open', grant }, { sequence: 50 })).kind, 'opened');
      await there.kill();
      await g.one.born();
      const listed = await g.one.order({ kind: 'list', after: null }, { sequence: 99 });
      assert.is(listed.kind === 'listed' && listed.sessions[0]?.session, sessionOf(grant), 'what was agreed there holds here');
      moved.close();
    } finally {
      await there.stop();
    }
  },
  async reboot(g) {
    assert.is(refusal(await g.other.order({ kind: 'reboot' })), 'denied order');
    assert.is(g.reboots(), 0);
    assert.is((await g.one.order({ kind: 'reboot' })).kind, 'done');
    assert.is(g.reboots(), 1);
    const status = await g.h.run('cli', 'status');
    await status.ended;
    assert.match(status.printed(), /^agent: commands: 2\nagent: refused: .*denied order: 1/m);
  },
};

const orders = suite('orders');
for (const [name, run] of Object.entries(rows)) orders(name, () => within(run));
orders('and by MQTT 3.1.1', () => within(rows.close, 'wasm', '3.1.1'));
orders('and the router’s own program does what it is told', () => within(rows.acknowledge, 'native'));
const other = await nats.start();
for (const [name, run] of Object.entries(rows)) orders(`${name}, at NATS`, () => within(run, 'wasm', '3.1.1', other));
orders.after(other.stop);
orders.after(mosquittos.stop);
orders.run();

// Ten minutes behind a line that loses, falls silent and resets: whatever a node has sealed arrives at its coordinator, each receipt in its
// order. Native and in WebAssembly, which has no more memory than its engine was born with.

import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../../agent/adapters/ubus-client.ts';
import { type ByteCount, millis } from '../../../agent/core/brand.ts';
import type { PeerKey } from '../../../agent/core/seat.ts';
import type { Digest, SessionId } from '../../../agent/core/signed.ts';
import { host } from '../../../agent/host/node.ts';
import * as coordinators from '../../fakes/coordinator.ts';
import * as enforcer from '../../fakes/enforcer.ts';
import * as house from '../../fakes/house.ts';
import * as mosquitto from '../../fakes/mosquitto.ts';
import * as seats from '../../fakes/seats.ts';
import { account, config, section } from '../../link/config.ts';
import { lose, up } from './line.ts';

const key = `${'a'.repeat(42)}A=` as PeerKey;
const facts = { key: `${'r'.repeat(42)}A=`, port: 51_820, uplinks: [] };
const quota = { kind: 'shared', bytes: (10n << 30n) as ByteCount } as const;

up();
const broker = await mosquitto.start();
type Node = Readonly<{ session: SessionId; kernel: seats.Seats; one: coordinators.Coordinator; close(): Promise<void> }>;

/** An agent at home, with a session of a coordinator whose own line is good. */
async function settle(kind: 'wasm' | 'native', names: string): Promise<Node> {
  const home = await house.open(undefined, {
    broker,
    names,
    config: (b, authority) =>
      config(kind, section(b.name, b.tlsPort, ...account(b), `authority ${authority}`)) + coordinators.section('one', 'sessions'),
  });
  const opened = await ubus.open(host, { path: home.socket, deadline: millis(60_000), whenLost: 'end', lost: () => undefined });
  if (!opened.ok) throw new Error(opened.fault.reason);
  const bus = opened.value;
  const kernel = seats.seats(() => host.clock.monotonic());
  await bus.publish('weir.enforcer', enforcer.methods(bus, kernel, facts));
  kernel.refuse(null);
  const agent = kind === 'wasm' ? await home.run('agent') : await home.runNative('agent');
  await agent.says(/published .*state/);
  const one = await coordinators.open('one', broker, `weir/${kind}`);
  await one.born();
  await one.certify();
  const opening = await one.order({ kind: 'open', grant: one.grant(key, { quota }) });
  if (opening.kind !== 'opened') throw new Error(JSON.stringify(opening));
  return {
    session: opening.session,
    kernel,
    one,
    async close() {
      one.close();
      bus.close();
      await home.close();
    },
  };
}

/** Takes receipts in their order until the last; whatever comes again changes nothing. */
async function collect({ one }: Node): Promise<number> {
  const taken: Digest[] = [];
  for (;;) {
    const told = await one.receipt(patience);
    const { session, sequence, previous, final } = told.receipt;
    if (sequence <= taken.length) continue;
    assert.is(sequence, taken.length + 1);
    if (taken.length > 0) assert.is(previous, taken.at(-1));
    taken.push(told.digest);
    await one.send('commands', one.signed({ kind: 'acknowledge', receipts: [{ session, sequence, digest: told.digest }], root: null }));
    if (final !== null) return taken.length;
  }
}

const duration = 600_000;
/** The longest wait after as many failures as ten minutes have room for. */
const patience = millis(900_000);
const [at, from] = [`tcp dport ${broker.tlsPort}`, `tcp sport ${broker.tlsPort}`];
/** Silence, one way and both ways, and a third of all packets; in between nothing of it. */
const moods = [[at], [], [from], [], [at, from], [], [`numgen random mod 3 == 0 ${at}`], []];

const test = suite('receipts');
test('behind a bad line', async () => {
  const nodes = await Promise.all([settle('wasm', '127.0.0.2'), settle('native', '127.0.0.3')]);
  const collected = nodes.map(collect);
  const until = performance.now() + duration;
  for (let n = 0; performance.now() < until; n++) {
    lose(...(moods[n % moods.length] ?? []));
    for (let second = 0; second < 5 + ((7 * n) % 11); second += 2) {
      for (const { kernel } of nodes) kernel.pass(key, 1_000_000, 14_000_000);
      await sleep(2000);
    }
  }
  lose();
  for (const { one, session } of nodes) await one.send('commands', one.signed({ kind: 'close', session }));
  for (const count of await Promise.all(collected)) assert.ok(count > 10, `${count} receipts`);
  for (const node of nodes) await node.close();
});
test.after(() => broker.stop());
test.run();

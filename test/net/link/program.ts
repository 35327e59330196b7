// Agents in trouble in a network of their own, where packets can be lost and port 53 is free. Each trouble strikes four at once: native and in
// WebAssembly, at Mosquitto by MQTT 5 and at NATS by 3.1.1, with TLS and passwords.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../../agent/core/brand.ts';
import * as way from '../../../agent/core/link.ts';
import { host } from '../../../agent/host/node.ts';
import { native } from '../../../build/native.ts';
import * as coordinators from '../../fakes/coordinator.ts';
import type { Guest } from '../../fakes/guest.ts';
import * as house from '../../fakes/house.ts';
import type { Broker } from '../../fakes/mosquitto.ts';
import * as mosquitto from '../../fakes/mosquitto.ts';
import * as nats from '../../fakes/nats.ts';
import { account, config, goesOn, published, section } from '../../link/config.ts';
import { type Talk, talk } from '../../link/conversation/talk.ts';
import { lose, up } from './line.ts';

up();
// Made once, before two ask for it at a time.
await native('host');
const brokers = { '5': await mosquitto.start(), '3.1.1': await nats.start() } as const;
type Version = keyof typeof brokers;
type Member = Readonly<{ id: string; kind: 'wasm' | 'native'; version: Version; broker: Broker; home: house.House }>;
let addresses = 1;
async function settle(kind: Member['kind'], version: Version, more: (b: Broker, authority: string) => readonly string[]): Promise<Member> {
  // NATS takes no name with a dot in it.
  const [broker, id] = [brokers[version], `${kind}-${version.replaceAll('.', '')}`];
  addresses += 1;
  const home = await house.open(undefined, {
    broker,
    names: `127.0.0.${addresses}`,
    config: (b, authority) =>
      config(id, section(b.name, b.tlsPort, `version ${version}`, ...more(b, authority))) + coordinators.section('one'),
  });
  const enforcer = await home.run('enforcer');
  await enforcer.says(/weir\.enforcer is there/);
  return { id, kind, version, broker, home };
}
const known = (b: Broker, authority: string): readonly string[] => [...account(b), `authority ${authority}`];
const all = ['wasm', 'native'].flatMap((kind) => ['5', '3.1.1'].map((version) => [kind, version] as [Member['kind'], Version]));
// A house removes its files also when the test is cut off.
process.setMaxListeners(50);
const members = await Promise.all(all.map(([kind, version]) => settle(kind, version, known)));

const patience = 150_000;
/** For 7.5 to 15 minutes. */
const leftAlone = /goes on in (4[5-9]\d|[5-8]\d\d|900) s/;
type Cast = Readonly<{
  agents: ReadonlyMap<Member, Guest>;
  /** When each of them has. */
  say(pattern: RegExp, times?: number): Promise<readonly string[]>;
}>;
/** A story of agents that are new. */
async function play(
  who: readonly Member[],
  story: (cast: Cast) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const agents = new Map<Member, Guest>();
  // One after the other, those that are no part of this process last: while an engine begins, the bus here is silent.
  for (const member of who) {
    const { kind, home } = member;
    agents.set(member, await (kind === 'wasm' ? home.run('agent') : home.runNative('agent', env)));
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const told = (): string => [...agents].map(([{ id }, { lines }]) => [`${id}:`, ...lines].join('\n')).join('\n');
    timer = setTimeout(() => reject(new Error(`not done within ${patience} ms:\n${told()}`)), patience);
  });
  try {
    const say: Cast['say'] = (pattern, times) => Promise.all([...agents.values()].map((agent) => agent.says(pattern, times)));
    await Promise.race([story({ agents, say }), late]);
  } finally {
    clearTimeout(timer);
    lose();
    for (const { home } of who) home.names('work');
    for (const agent of agents.values()) agent.stop();
    await Promise.all([...agents.values()].map(({ ended }) => ended));
  }
}

const test = suite('agents in trouble, in a network of their own');
const versions = Object.entries(brokers) as [Version, Broker][];
const every = Object.values(brokers);
const ports = every.map(({ tlsPort }) => tlsPort).join(', ');

test('packets that vanish', () =>
  play(members, async ({ say }) => {
    await say(published);
    lose(`tcp dport { ${ports} }`, `tcp sport { ${ports} }`);
    await say(/timeout/);
    lose();
    await say(published, 2);
  }));

test('every fifth packet is lost', () =>
  play(members, async ({ say }) => {
    lose('numgen random mod 5 == 0');
    await say(published);
  }));

test('a name server that fails', () => {
  for (const { home } of members) home.names('fail');
  return play(members, async ({ say }) => {
    await say(/answered with code 2/);
    for (const { home } of members) home.names('work');
    await say(published);
  });
});

const other = (broker: Broker, more: Parameters<typeof talk>[2]): Talk =>
  talk(host, broker, { tls: { name: broker.name, authorities: broker.authority }, ...more });

/** Leaves a message there, or says how many such it has kept. */
async function stored(broker: Broker, version: Version, leave: boolean): Promise<number> {
  const t = other(broker, { version });
  await t.connected();
  if (leave) await t.publish('kept', 'still here', { retain: true });
  await t.subscribe('kept');
  await t.subscribe('mark');
  await t.publish('mark', '');
  let count = 0;
  while ((await t.next()).topic !== 'mark') count += 1;
  t.link.end();
  await t.closed();
  return count;
}

for (const [name, strike, kept] of [
  ['kill -9 of the broker, which forgets all', 'kill', 0],
  ['a broker that is restarted and has stored all', 'end', 1],
] as const)
  test(name, () =>
    play(members, async ({ say }) => {
      await say(published);
      for (const [version, broker] of versions) assert.is(await stored(broker, version, true), 1, version);
      await Promise.all(every.map((broker) => broker[strike]()));
      await say(goesOn);
      await Promise.all(every.map((broker) => broker.restart()));
      for (const [version, broker] of versions) assert.is(await stored(broker, version, false), kept, version);
      await say(published, 2);
    }),
  );

/** By MQTT 5 the broker does not deliver it. By 3.1.1 it does, and it is refused unread. */
test('a message that is too long is in nobody’s way', () =>
  play(members, async ({ agents, say }) => {
    await say(published);
    await Promise.all(
      [...agents].map(async ([{ id, version, broker, home }, agent]) => {
        const t = other(broker, { version });
        await t.connected();
        await t.publish(`weir/${id}/commands`, new Uint8Array(70_000));
        await t.publish(`weir/${id}/commands`, 'short');
        let said = '';
        for (let tries = 0; tries < 100 && !said.includes('malformed'); tries++) {
          const cli = await home.run('cli', 'status');
          await cli.ended;
          said = cli.printed();
        }
        assert.match(said, version === '5' ? /refused: malformed: 1$/m : /refused: limit: 1, malformed: 1$/m, id);
        assert.not.match(agent.lines.join('\n'), /at most 65536/, 'it ended no connection');
        t.link.end();
      }),
    );
  }));

test('somebody else with its name', () =>
  play(members, async ({ agents, say }) => {
    await say(published);
    for (const [{ id, version, broker }, agent] of agents) {
      const t = other(broker, { clientId: id, version });
      await t.connected();
      // Not every broker says why. Where it does not, the agent comes back, and each throws the other out, less and less often.
      await agent.says(/Session taken over|the broker closed/);
      await agent.says(/taken over/.test(agent.lines.join()) ? leftAlone : goesOn);
      t.link.end();
    }
  }));

/** Agents whose owner wrote something else. */
async function set(more: typeof known, kinds: readonly (typeof all)[number][], story: Parameters<typeof play>[1], env = {}): Promise<void> {
  const settled = await Promise.all(kinds.map(([kind, version]) => settle(kind, version, more)));
  await play(settled, story, env).finally(() => Promise.all(settled.map(({ home }) => home.close())));
}

test('a wrong password is not hammered', () =>
  set(
    (b, authority) => [`user ${b.user}`, 'password guess', `authority ${authority}`],
    all,
    async ({ say }) => {
      await say(/denied/);
      await say(leftAlone);
    },
  ));

test('the first connection is made at a moment that its name and boot say', () =>
  set(
    (b, authority) => [...known(b, authority), `spread ${spread}`],
    all,
    async ({ agents, say }) => {
      await say(/waits for its turn/);
      await say(goesOn);
      for (const [{ id }, agent] of agents) {
        const turn = way.first(id, host.clock.bootId(), seconds(spread));
        await agent.says(new RegExp(`goes on in ${Math.ceil(turn / 1000)} s`));
      }
    },
  ));
const spread = 3600;

/** A router without a battery, before it has heard of the time. The broker's certificate is of today. */
const ageless = {
  LD_PRELOAD: '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  FAKETIME: '@1970-01-02 00:00:00',
  DONT_FAKE_MONOTONIC: '1',
};
const clocks = [
  { trust: (b, authority) => [`authority ${authority}`, `pin ${b.pin}`], want: published },
  { trust: (_, authority) => [`authority ${authority}`], want: /not valid yet.*tls-certificate/ },
  { trust: (_, authority) => [`authority ${authority}`, `pin ${'0'.repeat(64)}`], want: /tls-pin/ },
] as const satisfies readonly Readonly<{ trust: typeof known; want: RegExp }>[];
test('without a clock its pinned key is enough, and nothing else is', async () => {
  const natives = all.filter(([kind]) => kind === 'native');
  const tell =
    (trust: typeof known): typeof known =>
    (b, authority) => [...account(b), ...trust(b, authority)];
  for (const { trust, want } of clocks) await set(tell(trust), natives, async ({ say }) => void (await say(want)), ageless);
});

test.after(async () => {
  for (const { home } of members) await home.close();
  for (const broker of every) await broker.stop();
});
test.run();

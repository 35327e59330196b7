// Whole agents in trouble, in WebAssembly and native, behind a line that stalls, cuts and delays; and the table that says for each trouble
// of a link which test has it.

import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import type { Host } from '../../agent/ports/host.ts';
import * as odd from '../fakes/broker.ts';
import { makeCertificates } from '../fakes/certificates.ts';
import * as coordinators from '../fakes/coordinator.ts';
import type { Guest } from '../fakes/guest.ts';
import * as house from '../fakes/house.ts';
import type { Broker } from '../fakes/mosquitto.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import { freePort } from '../fakes/port.ts';
import * as proxies from '../fakes/proxy.ts';
import { account, config, goesOn, longWait, published, section, waitIn } from './config.ts';
import { talk } from './conversation/talk.ts';

/** By address: the native agent has no name server here. */
const direct = (port: number, ...more: readonly string[]): string => section('127.0.0.1', port, ...more);

type Scene = Readonly<{ home: house.House; line: proxies.Proxy; run(): Promise<Guest> }>;
type Kind = 'wasm' | 'native';
const kinds: readonly Kind[] = ['wasm', 'native'];
type Story = (scene: Scene) => Promise<void>;
type Setting = Readonly<{
  id?: string;
  to?: (b: Broker) => number;
  brokers?: (b: Broker, line: number, authority: string) => readonly string[];
  ground?: Host;
}>;

const patience = 90_000;
function inTime<T>(work: Promise<T>, lines: () => readonly string[]): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${patience} ms:\n${lines().join('\n')}`)), patience);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** An agent whose broker is behind a line: Mosquitto over TLS, unless `to` is another port, or `brokers` says all. */
async function play(kind: Kind, story: Story, { id = 'roof-1', to, brokers, ground }: Setting = {}): Promise<void> {
  const lines: string[] = [];
  const behind = { port: 0 };
  const line = await proxies.start(behind);
  const home = await house.open((role, text) => lines.push(`${role}: ${text}`), {
    config(broker, authority) {
      behind.port = to === undefined ? broker.tlsPort : to(broker);
      const own = to === undefined ? [...account(broker), `authority ${authority}`] : ['tls 0'];
      return config(id, ...(brokers?.(broker, line.port, authority) ?? [direct(line.port, ...own)]));
    },
    ...(ground !== undefined && { ground }),
  });
  try {
    const enforcer = await home.run('enforcer');
    await enforcer.says(/weir\.enforcer is there/);
    const run = (): Promise<Guest> => (kind === 'wasm' ? home.run('agent') : home.runNative('agent'));
    await inTime(story({ home, line, run }), () => lines);
  } finally {
    line.close();
    await home.close();
  }
}

const statusOf = async (home: house.House): Promise<string> => {
  const cli = await home.run('cli', 'status');
  await cli.ended;
  return cli.printed();
};

const tests = Object.fromEntries(kinds.map((kind) => [kind, suite(`an agent in trouble, ${kind}`)])) as Record<
  Kind,
  ReturnType<typeof suite>
>;
for (const kind of kinds) {
  const test = tests[kind];

  test('kill -9 of the broker', () =>
    play(kind, async ({ home, run }) => {
      const agent = await run();
      await agent.says(published);
      await home.broker.kill();
      await agent.says(goesOn);
      await home.broker.restart();
      await agent.says(published, 2);
    }));

  test('a line that is cut', () =>
    play(kind, async ({ line, run }) => {
      const agent = await run();
      await agent.says(published);
      line.cut();
      await agent.says(published, 2);
    }));

  test('half a connection', () =>
    play(kind, async ({ home, line, run }) => {
      const agent = await run();
      await agent.says(published);
      line.is('stalled');
      assert.match(await agent.says(/timeout/), 'Keepalive');
      assert.not.match(await statusOf(home), 'link: connected');
      line.is('good');
      await agent.says(published, 2);
      assert.match(await statusOf(home), 'link: connected');
    }));

  test('a slow line', () =>
    play(kind, async ({ line, run }) => {
      line.delay(300);
      const agent = await run();
      await agent.says(published);
      assert.is(line.taken(), 1);
    }));

  test('a captive portal', () =>
    play(kind, async ({ line, run }) => {
      line.is('portal');
      const agent = await run();
      assert.match(await agent.says(goesOn).then(() => agent.lines.join('\n')), 'tls-protocol');
      line.is('good');
      await agent.says(published);
    }));

  test('a captive portal, without TLS', () =>
    play(
      kind,
      async ({ line, run }) => {
        line.is('portal');
        const agent = await run();
        await agent.says(/who answers there is no MQTT broker/);
        line.is('good');
        await agent.says(published);
      },
      { to: (b) => b.port, brokers: (b, line) => [direct(line, 'tls 0', ...account(b))] },
    ));

  test('a wrong password is not hammered', () =>
    play(
      kind,
      async ({ home, line, run }) => {
        const agent = await run();
        assert.ok(waitIn(await agent.says(goesOn)) >= longWait);
        assert.match(agent.lines.join('\n'), /denied/);
        assert.match(await statusOf(home), /agent: next: in \d{3} s\nagent: why: link: .*\(denied\)/);
        assert.is(line.taken(), 1);
      },
      { brokers: (b, line, authority) => [direct(line, `user ${b.user}`, 'password guess', `authority ${authority}`)] },
    ));

  test('the next broker, and what may be better', async () => {
    const closed = await freePort();
    await play(
      kind,
      async ({ home, line, run }) => {
        const agent = await run();
        await agent.says(published);
        const shown = await statusOf(home);
        assert.match(shown, `agent: broker: 127.0.0.1:${line.port}\nagent: for: `);
        const [, wait] = new RegExp(`agent: next: 127\\.0\\.0\\.1:${closed} in (\\d+) s`).exec(shown) ?? [];
        // Two failures: between half an hour and a whole one.
        assert.ok(Number(wait) > 1700 && Number(wait) <= 3600, shown);
      },
      { brokers: (b, line, authority) => [direct(closed, 'tls 0'), direct(line, ...account(b), `authority ${authority}`)] },
    );
  });

  // By 3.1.1 a broker sends what it has, with each connection, and cannot be told how much that may be.
  test('a message that is too long is refused unread, and one that never ends is left behind', () =>
    play(
      kind,
      async ({ home, run }) => {
        const agent = await run();
        await agent.says(published);
        const t = talk(host, home.broker, { version: '3.1.1' });
        await t.connected();
        const topic = 'weir/roof-1/commands';
        const shown = async (want: RegExp): Promise<void> => {
          let said = '';
          for (let tries = 0; tries < 100 && !want.test(said); tries++) said = await statusOf(home);
          assert.match(said, want);
        };
        await t.publish(topic, new Uint8Array(70_000), { retain: true });
        await t.publish(topic, 'short');
        await shown(/refused: limit: \d+, malformed: 1$/m);
        assert.not.match(agent.lines.join('\n'), /at most 65536/, 'it ended no connection');
        await t.publish(topic, new Uint8Array(1_100_000));
        await agent.says(/a packet of \d+ bytes; at most 65536 \(limit\)/);
        await agent.says(published, 2);
        await t.publish(topic, 'short');
        await shown(/refused: limit: \d+, malformed: 2$/m);
        t.link.end();
      },
      {
        brokers: (b, line, authority) => [
          `${direct(line, 'version 3.1.1', ...account(b), `authority ${authority}`)}\n${coordinators.section('one')}`,
        ],
      },
    ));

  for (const [id, name, want] of [
    ['spent', 'a quota that is spent', /Quota exceeded.*denied/],
    ['full', 'a quota that is spent for messages', /Quota exceeded.*denied/],
    ['taken', 'somebody else with its name', /Session taken over.*denied/],
  ] as const)
    test(name, async () => {
      const broker = await odd.start();
      try {
        await play(
          kind,
          async ({ line, run }) => {
            const agent = await run();
            await agent.says(want);
            assert.ok(waitIn(await agent.says(goesOn)) >= longWait);
            assert.is(line.taken(), 1);
          },
          { id, to: () => broker.port },
        );
      } finally {
        broker.stop();
      }
    });
}

const { wasm, native } = tests;
/** Never lucky: each wait is as long as it can be. */
const unlucky: Host = { ...host, random: (size) => new Uint8Array(size).fill(0xff) };
wasm('accepted and then kicked, it waits longer each time', async () => {
  const broker = await odd.start();
  try {
    await play(
      'wasm',
      async ({ run }) => {
        const agent = await run();
        // The first one is its turn, at once.
        const waits = [await agent.says(goesOn), await agent.says(goesOn, 2), await agent.says(goesOn, 3)];
        assert.equal(waits.map(waitIn), [2, 4, 8]);
        assert.is(broker.connects(), 3);
      },
      { id: 'kick', to: () => broker.port, ground: unlucky },
    );
  } finally {
    broker.stop();
  }
});
native('accepted and then kicked, it comes again', async () => {
  const broker = await odd.start();
  try {
    await play(
      'native',
      async ({ run }) => {
        const agent = await run();
        await agent.says(/connected to/, 2);
      },
      { id: 'kick', to: () => broker.port },
    );
  } finally {
    broker.stop();
  }
});

/** What is to happen in more than a minute happens in a thousandth of that. */
const hurried: Host = {
  ...host,
  clock: { ...host.clock, after: (pause, act) => host.clock.after(millis(pause > 60_000 ? pause / 1000 : pause), act) },
};
wasm('of two brokers the better one, when it is back', async () => {
  const better = await mosquitto.start();
  const stateAt = async (broker: Broker): Promise<string> => {
    const watcher = await coordinators.open('one', broker, 'weir/roof-1');
    try {
      return await watcher.state();
    } finally {
      watcher.close();
    }
  };
  try {
    await better.kill();
    await play(
      'wasm',
      async ({ home, line, run }) => {
        const agent = await run();
        await agent.says(new RegExp(`connected to 127\\.0\\.0\\.1:${line.port}$`));
        await better.restart();
        await agent.says(new RegExp(`tries 127\\.0\\.0\\.1:${better.tlsPort}, which is better$`));
        await agent.says(new RegExp(`connected to 127\\.0\\.0\\.1:${better.tlsPort}$`));
        await agent.says(published, 2);
        assert.equal([await stateAt(home.broker), await stateAt(better)], ['gone', 'here']);
      },
      {
        ground: hurried,
        brokers: (b, line, authority) => [
          direct(better.tlsPort, ...account(better), `pin ${better.pin}`),
          direct(line, ...account(b), `authority ${authority}`),
        ],
      },
    );
  } finally {
    await better.stop();
  }
});

wasm('a name server that fails', () =>
  play(
    'wasm',
    async ({ home, run }) => {
      home.names('fail');
      const agent = await run();
      await agent.says(/answered with code 2/);
      home.names('work');
      await agent.says(published);
    },
    { brokers: (b, line, authority) => [direct(line, ...account(b), `authority ${authority}`).replace('127.0.0.1', b.name)] },
  ),
);

const certificates = makeCertificates();
const future = { cert: certificates.of.notYet, key: certificates.key };
/** A router that has just started without a battery. */
const ageless: Host = { ...host, clock: { ...host.clock, wall: () => millis(86_400_000) } };
const pinned = `pin ${certificates.pin}`;
const wrong = `pin ${'0'.repeat(64)}`;
for (const [kind, name, ground, trust, want] of [
  ['wasm', 'a certificate of tomorrow, without a clock: its pinned key is enough', ageless, ['authority', pinned], published],
  ['wasm', 'a certificate of tomorrow, without clock and pin: no way in', ageless, ['authority'], /tls-certificate/],
  ['wasm', 'a certificate of tomorrow, without a clock, of a stranger: no way in', ageless, ['authority', wrong], /tls-pin/],
  ['wasm', 'a certificate of tomorrow, with a clock: no way in', host, ['authority', pinned], /tls-certificate/],
  ['native', 'a certificate of tomorrow: its pinned key is enough', host, [pinned], published],
  ['native', 'a certificate of tomorrow: no way in', host, ['authority'], /tls-certificate/],
] as const)
  tests[kind](name, async () => {
    const to = { port: 0 };
    const door = await proxies.start(to, future);
    try {
      await play(
        kind,
        async ({ home, run }) => {
          to.port = home.broker.port;
          const agent = await run();
          await agent.says(want);
        },
        {
          ground,
          brokers(b, _, authority) {
            // The authority that signed it, not Mosquitto's.
            writeFileSync(authority, certificates.authority);
            const trusted = trust.map((t) => (t === 'authority' ? `authority ${authority}` : t));
            return [direct(door.port, ...account(b), ...trusted).replace('127.0.0.1', kind === 'wasm' ? b.name : '127.0.0.1')];
          },
        },
      );
    } finally {
      door.close();
    }
  });
for (const kind of kinds) tests[kind].run();

const [core, fleet, link, life, net, here] = [
  'test/core/link.test.ts',
  'test/core/link-fleet.test.ts',
  'test/link/conversation/suite.ts',
  'test/link/agent.test.ts',
  'test/net/link/program.ts',
  'test/link/trouble.test.ts',
];
/** Each trouble of a link, and the tests that have it. `link`: on three hosts, against real brokers; `here`: whole agents;
 *  `net`: whole agents in a network of their own, at Mosquitto and at NATS. */
const table: Readonly<Record<string, readonly (readonly [file: string, test: string])[]>> = {
  'first connect': [
    [core, 'is the same again, and another after the next boot'],
    [fleet, 'starts at once, as after a power failure: each at its moment, evenly'],
    [net, 'the first connection is made at a moment that its name and boot say'],
  ],
  'lost connection': [
    [core, 'a lost connection: over the spread'],
    [fleet, 'loses its broker for ten minutes: nobody comes in crowds, and all come back'],
    [here, 'a line that is cut'],
  ],
  'accept, then kick': [
    [core, 'accepted, then kicked'],
    [fleet, 'accepts and then kicks'],
    [here, 'accepted and then kicked, it waits longer each time'],
    [here, 'accepted and then kicked, it comes again'],
  ],
  'several brokers': [
    [core, 'the next after two'],
    [fleet, 'loses one of two brokers: the other is not overrun'],
    [here, 'the next broker, and what may be better'],
  ],
  'fail-back': [
    [core, 'to the one that failed least'],
    [fleet, 'a better broker that is back gets its nodes back, at moments of their own'],
    ['test/core/contact.test.ts', 'a better broker that is not there costs nothing but a moment'],
    [here, 'of two brokers the better one, when it is back'],
  ],
  'several addresses': [['test/core/contact.test.ts', 'where nobody answers, tries the other addresses at once']],
  'DNS failing': [
    [here, 'a name server that fails'],
    [net, 'a name server that fails'],
  ],
  'captive portal': [
    [link, 'somebody speaks no MQTT'],
    [link, 'somebody speaks no TLS'],
    [here, 'a captive portal'],
    [here, 'a captive portal, without TLS'],
  ],
  'half-open TCP': [
    [link, 'half a connection is noticed'],
    [link, 'a broker that falls silent is noticed'],
    [link, 'it answers pings, and no message: that is noticed, too'],
    [here, 'half a connection'],
    [net, 'packets that vanish'],
  ],
  'certificate not yet valid, clock unknown': [
    [core, 'without clock and pin never a stranger'],
    [here, 'a certificate of tomorrow, without a clock: its pinned key is enough'],
    [here, 'a certificate of tomorrow, without clock and pin: no way in'],
    [here, 'a certificate of tomorrow, without a clock, of a stranger: no way in'],
    [here, 'a certificate of tomorrow: its pinned key is enough'],
    [net, 'without a clock its pinned key is enough, and nothing else is'],
  ],
  'broker restart with persistence': [
    [link, 'a broker restarted that has stored our session'],
    [net, 'a broker that is restarted and has stored all'],
  ],
  'broker restart without persistence': [
    [link, 'a broker restarted that has forgotten it'],
    [net, 'kill -9 of the broker, which forgets all'],
  ],
  'kill -9 of the broker': [
    [link, 'a broker killed and restarted'],
    [life, 'comes back to a broker that was killed'],
    [here, 'kill -9 of the broker'],
    [net, 'kill -9 of the broker, which forgets all'],
  ],
  'session taken over': [
    [link, 'somebody else has our name'],
    [link, 'somebody else with our name'],
    [fleet, 'hears of another one with our name'],
    [here, 'somebody else with its name'],
    [net, 'somebody else with its name'],
  ],
  'wrong password': [
    [link, 'a wrong password'],
    [fleet, 'does not take our password'],
    [here, 'a wrong password is not hammered'],
    [net, 'a wrong password is not hammered'],
  ],
  'oversize packets': [
    [link, 'a packet without an end, '],
    [link, 'two messages at a time, not longer than it likes, and all of them before the end'],
    ['test/wire/mqtt.test.ts', 'a message of one byte more'],
    [here, 'a message that is too long is refused unread, and one that never ends is left behind'],
    [link, 'of a message that is too long the beginning, each time it is told, and all that follows'],
    [net, 'a message that is too long is in nobody’s way'],
  ],
  'quota exceeded': [
    [link, 'its quota is spent'],
    [link, 'its quota is spent for messages'],
    [here, 'a quota that is spent'],
    [here, 'a quota that is spent for messages'],
    ['test/core/outbox.test.ts', 'a broker that does not take it is not hammered'],
  ],
  'a line that stalls': [[here, 'half a connection']],
  'a line that cuts': [[here, 'a line that is cut']],
  'a line that delays': [[here, 'a slow line']],
  'a bad uplink for a day': [
    ['test/loop/uplink.test.ts', 'that is bad for a day: each receipt arrives once, in its order, and the journal stays small'],
  ],
  'a line that loses': [[net, 'every fifth packet is lost']],
};
const rows = suite('each trouble');
rows('has its tests, and they are there', () => {
  for (const [trouble, found] of Object.entries(table)) {
    assert.ok(found.length > 0, trouble);
    for (const [file, test] of found) {
      // Below the table nothing else says a test's name.
      const [source = ''] = readFileSync(file, 'utf8').split('const table: Readonly<Record<string, readonly (readonly [file');
      assert.ok(
        [`'${test}'`, `\`${test}`].some((name) => source.includes(name)),
        `${trouble}: ${file} has no test called ${test}`,
      );
    }
  }
});
/** What the project has promised of its link. */
const promised = [
  'DNS failing',
  'a bad uplink for a day',
  'a line that cuts',
  'a line that delays',
  'a line that loses',
  'a line that stalls',
  'accept, then kick',
  'broker restart with persistence',
  'broker restart without persistence',
  'captive portal',
  'certificate not yet valid, clock unknown',
  'fail-back',
  'first connect',
  'half-open TCP',
  'kill -9 of the broker',
  'lost connection',
  'oversize packets',
  'quota exceeded',
  'session taken over',
  'several addresses',
  'several brokers',
  'wrong password',
];
/** The compiler sees to it that each order has a row; here, that the rows are run. */
rows('and each order of a coordinator', () =>
  assert.match(readFileSync('test/link/commands.test.ts', 'utf8'), /rows: Readonly<Record<Order\['kind'\],[\s\S]*Object\.entries\(rows\)/),
);
rows('is in the table', () => assert.equal(Object.keys(table).toSorted(), promised));
rows.run();

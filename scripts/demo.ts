// The demo: everything around Weir's processes is started on loopback, then the processes, each in a WebAssembly engine; says in plain words
// what happens.

import { connect } from '../agent/adapters/mqtt-link.ts';
import { seconds } from '../agent/core/brand.ts';
import { text } from '../agent/core/result.ts';
import { host } from '../agent/host/node.ts';
import type { Message } from '../agent/ports/link.ts';
import * as cbor from '../agent/wire/cbor.ts';
import * as house from '../test/fakes/house.ts';

const help = `scripts/demo [--once]

Starts on this machine, on loopback and on free ports:
  a broker       Mosquitto with TLS and a password
  a bus          a stand-in for the router's ubusd, rpcd and netifd, with a UCI config for Weir
  an enforcer    the process with power, in a WebAssembly engine
  an agent       the process with a network, in another
and shows what they do until Ctrl-C. Nothing is left behind.
  --once    ends by itself when the agent's birth has been seen
`;

const fieldNames = ['', 'version of this map', 'node', 'version of Weir', 'host', 'boot id', 'seconds powered on'];
const args = process.argv.slice(2);
const once = args[0] === '--once';
if (args[0] === '--help') {
  process.stdout.write(help);
  process.exit(0);
}
if (args.length > (once ? 1 : 0)) {
  process.stderr.write(`demo: no such option: ${args.join(' ')}\n\n${help}`);
  process.exit(2);
}

let open = true;
const say = (line: string): void => {
  if (open) process.stdout.write(`${line}\n`);
};
let home: house.House | null = null;

async function end(status: number): Promise<void> {
  open = false;
  await home?.close();
  process.exit(status);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!open) return;
    say(`\n${signal}: everything is stopped and removed.`);
    void end(once ? 1 : 0);
  });
}

function show({ topic, payload }: Message): void {
  const decoded = cbor.decode(payload);
  const fields = decoded.ok && decoded.value instanceof Map ? decoded.value : null;
  if (fields === null) say(`   Somebody published on ${topic} what Weir would not.`);
  else if (topic.endsWith('/state')) say(`   The broker has ${topic}: the node is ${fields.get(1) === 1 ? 'here' : 'gone'}.`);
  else {
    say(`   The broker has ${topic}, ${payload.length} bytes, and in them:`);
    for (const [key, field] of fields) say(`     ${String(key).padEnd(3)}${String(fieldNames[Number(key)]).padEnd(22)}${field}`);
  }
}

/** Resolves when the agent's presence has come through the broker. */
function watch({ broker: { user, password, port } }: house.House): Promise<void> {
  return new Promise((seen, failed) => {
    const options = { to: { address: '127.0.0.1', port }, clientId: 'demo', user, password, keepAlive: seconds(60), patience: seconds(10) };
    const link = connect(
      host,
      { ...options, version: '5' },
      {
        connected: () => link.subscribe('weir/#', 1, () => undefined),
        received(message) {
          show(message);
          if (message.topic.endsWith('/state')) seen();
        },
        closed: (why) => failed(new Error(why === null ? 'closed' : text(why))),
      },
    );
  });
}

/** Ends only by failing. */
async function play({ run }: house.House): Promise<never> {
  say('3. The enforcer starts, in WebAssembly:');
  await (await run('enforcer')).says(/is there/);
  say('4. The agent starts, in WebAssembly. It asks the enforcer for its settings, finds the broker by name and connects:');
  const how = await (await run('agent')).ended;
  throw new Error(`the agent ended: ${how.ok ? `status ${how.value}` : text(how.fault)}`);
}

try {
  home = await house.open((role, line) => say(`    ${role.padEnd(9)}${line}`));
  const { broker, config } = home;
  say(`1. A broker is up: Mosquitto on 127.0.0.1:${broker.tlsPort}, with TLS and a password.`);
  say('2. A router is up, as far as its bus goes. Its /etc/config/weir:');
  say(config.trim().replace(broker.password, '…').replace(/^/gm, '    '));
  await Promise.race([watch(home), play(home)]);
  if (once) await end(0);
  say('5. All is up. Ctrl-C ends it.');
} catch (error) {
  // Ctrl-C strikes the broker as it strikes us: what breaks by it is no failure of the demo. We hear of it in the next turn at the latest.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  if (open) {
    say(`The demo failed: ${error}`);
    await end(1);
  }
}

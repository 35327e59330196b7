// Command keys as an operator changes them, by the command line: the agent itself, in a WebAssembly engine over Mosquitto, obeys the new one, and
// neither the voided one nor one whose time is over.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import type { PublicKey } from '../../agent/core/brand.ts';
import { seconds } from '../../agent/core/brand.ts';
import type { Outcome, Reply } from '../../agent/core/command.ts';
import type { KeyId, Nonce } from '../../agent/core/signed.ts';
import type { Signer } from '../../agent/crypto/ed25519.ts';
import { portable } from '../../agent/crypto/sha.ts';
import { host } from '../../agent/host/node.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { bytesOf } from '../../agent/wire/form.ts';
import * as authority from '../../coordinator/authority.ts';
import { hashes } from '../../coordinator/hashes.ts';
import * as enforcer from '../fakes/enforcer.ts';
import * as house from '../fakes/house.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import * as seats from '../fakes/seats.ts';
import * as live from './live.ts';
import { peerOf } from './node.ts';

const dir = mkdtempSync(join(tmpdir(), 'weir-keys-'));
const run = (...argv: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile(process.execPath, ['scripts/run.mjs', 'coordinator/cli.ts', ...argv], (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    ),
  );
const file = (name: string): string => join(dir, name);
const signerIn = (kind: 'root' | 'command', name: string): Signer => {
  const read = authority.readKey(kind, readFileSync(file(name)));
  if (!read.ok) throw new Error(read.fault.reason);
  return read.value;
};
const idOf = ({ key }: Signer): KeyId => cose.keyIdOf(key, hashes);
const day = 86_400;
const now = (): number => Math.floor(Date.now() / 1000);

const keys = suite('command keys');
keys('a new one is obeyed, a voided and an ended one are not', async () => {
  const said = await run('init', '--dir', dir);
  const [, root = '', token = ''] = /^root +(\S+)\ntoken +(\S+)/.exec(said) ?? [];
  const broker = await mosquitto.start();
  const { port, user, password } = broker;
  const start = () =>
    live.spawnOne(dir, ['--http', '127.0.0.1:0', '--broker', `mqtt://127.0.0.1:${port}`, '--user', user], {
      WEIR_BROKER_PASSWORD: password,
    });
  let here = await start();
  const ask = async (method: string, path: string, body?: object): Promise<live.Answer> => {
    const answer = await live.ask(here.http, method, path, `Bearer ${token}`, body);
    assert.is(answer.status, 200, `${path}: ${answer.text}`);
    return answer;
  };
  async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
    for (const end = Date.now() + 90_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
      const seen = await look();
      if (seen !== undefined) return seen;
    }
    throw new Error(`never: ${what}`);
  }
  const { code } = (await ask('POST', '/tickets', { kind: 'claim', seconds: 3600 })).json;
  // A router that has been told the time.
  const stat: typeof host.files.stat = (path) => host.files.stat(path === '/var/run/weir/clock' ? '/' : path);
  const h = await house.open(undefined, {
    broker,
    ground: { ...host, files: { ...host.files, stat } },
    config: (_, authority) =>
      `${mosquitto.section(broker, broker.name, authority)}\nconfig coordinator 'one'\n\toption root '${root}'\n\tlist may 'sessions'\n\toption claim '${code}'\n`,
  });
  const opened = await ubus.open(host, { path: h.socket, deadline: 5000 as never, whenLost: 'end', lost: () => undefined });
  if (!opened.ok) throw new Error(opened.fault.reason);
  const bus = opened.value;
  const wire = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { username: user, password });
  try {
    const kernel = seats.seats(() => host.clock.monotonic());
    const uplinks = [{ name: 'wan', up: true, addresses: ['11.1.0.2/24'], hints: [], dns: [] }];
    await bus.publish('weir.enforcer', enforcer.methods(bus, kernel, { key: peerOf('router'), port: 51_820, uplinks }));
    kernel.refuse(null);

    const replies: Reply[] = [];
    let epoch = '' as Nonce;
    wire.on('message', (topic, payload) => {
      const signed = cose.decode(new Uint8Array(payload));
      const form = topic.includes('/replies/') ? command.reply : null;
      const reply = signed.ok && form !== null ? form.read(signed.value.body) : null;
      const birth = signed.ok && topic.endsWith('/birth') ? command.birth.read(signed.value.body) : null;
      if (reply?.ok) replies.push(reply.value);
      if (birth?.ok) epoch = birth.value.epoch;
    });
    await wire.subscribeAsync('weir/+/+/+', { qos: 1 });
    await wire.subscribeAsync('weir/+/birth', { qos: 1 });
    const agent = await h.run('agent');
    type Node = Readonly<{ id: KeyId; starts: number }>;
    const node = await until(
      'enrolled',
      async () => ((await ask('GET', '/nodes')).json['nodes'] as readonly Node[]).find(({ starts }) => starts > 0)?.id,
    );

    type Given = Readonly<{ id: number; outcome: string | null }>;
    const outcomeOf = (id: unknown): Promise<Outcome> =>
      until(`command ${id}`, async () => {
        const { commands } = (await ask('GET', `/nodes/${node}`)).json as { commands: readonly Given[] };
        const outcome = commands.find((one) => one.id === id)?.outcome ?? null;
        return outcome === null ? undefined : (JSON.parse(outcome) as Outcome);
      });
    /** Of the coordinator, by whichever key it has. */
    const list = async (): Promise<Reply> => {
      const from = replies.length;
      const { json } = await ask('POST', `/nodes/${node}/commands`, { kind: 'list' });
      assert.is((await outcomeOf(json['command'])).kind, 'listed');
      return until('its reply', () => replies.slice(from).find(({ outcome }) => outcome.kind === 'listed'));
    };
    let number = 1000;
    /** By whoever has a key: is it answered? What comes behind it has been, when we look. */
    async function isObeyed(by: Signer): Promise<boolean> {
      number += 1;
      const order = { node, epoch, sequence: number, expires: null, order: { kind: 'list', after: null } } as const;
      await wire.publishAsync(
        `weir/${node}/commands`,
        Buffer.from(cose.encode(cose.sign('command', command.command.write(order), by, hashes))),
        { qos: 1 },
      );
      await list();
      return replies.some(({ to, sequence }) => to === idOf(by) && sequence === number);
    }
    const certified = (bytes: Uint8Array): Promise<unknown> =>
      wire.publishAsync(`weir/${node}/certificates`, Buffer.from(bytes), { qos: 1 });

    const first = signerIn('command', 'command-1.key');
    assert.is((await list()).to, idOf(first));
    const offer = { micro: 1200, currency: 'EUR', rate_up: 1e6, rate_down: 8e6, most_bytes: 1e9, most_seconds: day, credit: 1 << 24 };
    await ask('PUT', '/offers/roof', offer);
    const { session } = (await ask('POST', '/sessions', { offer: 'roof', peer: peerOf('ann'), bytes: 5e7, seconds: 3600 })).json;
    await until('open', async () => ((await ask('GET', `/sessions/${session}`)).json['condition'] === 'open' ? true : undefined));

    const key = (await run('key', '--dir', dir)).trim();
    await run('certify', '--root', file('root.key'), '--for', key, '--serial', '2', '--void', '2', '--out', file('command-2.certificate'));
    here.child.kill('SIGTERM');
    await once(here.child, 'exit');
    here = await start();
    const second = signerIn('command', 'command-2.key');
    assert.is((await list()).to, idOf(second), 'the coordinator signs with the new one');
    assert.is(await isObeyed(first), false, 'the voided one');
    await certified(readFileSync(file('command-1.certificate')));
    assert.is(await isObeyed(first), false, 'its certificate said again');

    // What it has granted goes on, and what it has signed is still evidence.
    await ask('POST', `/sessions/${session}/change`, { rate_down: 4_000_000 });
    await until('the change', () => (kernel.held(peerOf('ann'))?.wish.rate.down === 4_000_000n ? true : undefined));
    kernel.pass(peerOf('ann'), 1_000_000, 2_000_000);
    await ask('DELETE', `/sessions/${session}`);
    await until('the end', async () => ((await ask('GET', `/sessions/${session}`)).json['final'] === null ? undefined : true));
    const messages = evidence.parse((await ask('GET', `/sessions/${session}/evidence`)).text);
    if (!messages.ok) throw new Error(messages.fault.reason);
    const report = evidence.examine(messages.value, [bytesOf(root) as PublicKey], portable);
    assert.equal(report.findings, []);
    assert.equal(
      report.sessions.map(({ counted }) => counted),
      [{ up: 1_000_000n, down: 2_000_000n }],
    );

    const third = signerIn('root', 'root.key');
    const guest = authority.readKey('command', authority.renderKey('command', new Uint8Array(32).fill(7)));
    if (!guest.ok) throw new Error(guest.fault.reason);
    const until3 = (at: number, serial: number): Uint8Array =>
      authority.certify(third, { key: guest.value.key, serial, least: 1, until: seconds(at), may: ['command'] });
    await certified(until3(now() + day, 3));
    assert.is(await isObeyed(guest.value), true);
    await certified(until3(now() - day, 4));
    assert.is(await isObeyed(guest.value), false, 'its time is over');
    assert.equal(
      agent.lines.filter((line) => /secret|[0-9a-f]{64}/.test(line)),
      [],
    );
  } finally {
    await wire.endAsync();
    bus.close();
    await h.close();
    here.child.kill('SIGTERM');
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
keys.run();

// The agent itself, in a WebAssembly engine over Mosquitto, with an enforcer of numbers: what the coordinator books is what that has counted.

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import * as keys from '../../agent/consumer/keys.ts';
import type { SessionId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import { host } from '../../agent/host/node.ts';
import * as base64 from '../../agent/wire/base64.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as opening from '../../scripts/consumer-open.ts';
import * as enforcer from '../fakes/enforcer.ts';
import * as house from '../fakes/house.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import * as seats from '../fakes/seats.ts';
import * as live from './live.ts';
import { peerOf } from './node.ts';

const agent = suite('agent and coordinator');
agent('enrolled by a code, a session opened, billed, closed and acknowledged', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-agent-test-'));
  const broker = await mosquitto.start();
  const { port, user, password } = broker;
  const here = await live.begin(null, { kind: 'elsewhere', url: `mqtt://127.0.0.1:${port}`, user, password, authority: null });
  const admin = (method: string, path: string, body?: object): Promise<live.Answer> =>
    live.ask(here.running.http, method, path, `Bearer ${here.tokens.admin}`, body);
  const seen = async (path: string, holds: (json: live.Answer['json']) => boolean): Promise<live.Answer['json']> => {
    for (const end = Date.now() + 90_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 200))) {
      const { json } = await admin('GET', path);
      if (holds(json)) return json;
    }
    throw new Error(`${path}: never; ${(await admin('GET', path)).text}; ${here.log.join('; ')}`);
  };
  const { code } = (await admin('POST', '/tickets', { kind: 'claim', seconds: 3600 })).json;
  const root = hexOf(here.authority.rootKey);
  const h = await house.open(undefined, {
    broker,
    config: (_, authority) =>
      `${mosquitto.section(broker, broker.name, authority)}\nconfig coordinator 'one'\n\toption root '${root}'\n\tlist may 'sessions'\n\toption claim '${code}'\n`,
  });
  const kernel = seats.seats(() => host.clock.monotonic());
  const opened = await ubus.open(host, { path: h.socket, deadline: 5000 as never, whenLost: 'end', lost: () => undefined });
  if (!opened.ok) throw new Error(opened.fault.reason);
  const bus = opened.value;
  try {
    const uplinks = [{ name: 'wan', up: true, addresses: ['11.1.0.2/24'], hints: [], dns: [] }];
    await bus.publish('weir.enforcer', enforcer.methods(bus, kernel, { key: peerOf('router'), port: 51_820, uplinks }));
    kernel.refuse(null);
    await h.run('agent');
    const { nodes } = await seen('/nodes', (json) => (json['nodes'] as readonly { starts: number }[]).some(({ starts }) => starts > 0));
    const [{ id }] = nodes as [{ id: string }];

    const offer = { micro: 1200, currency: 'EUR', rate_up: 1e6, rate_down: 8e6, most_bytes: 1e9, most_seconds: 86_400, credit: 1 << 24 };
    await admin('PUT', '/offers/roof', offer);
    const peer = peerOf('ann');
    const asked = await admin('POST', '/sessions', { offer: 'roof', peer, bytes: 5e7, seconds: 3600 });
    assert.is(asked.status, 200, asked.text);
    const session = asked.json['session'] as SessionId;
    await seen(`/sessions/${session}`, (json) => json['condition'] === 'open');
    const files = { keys: join(folder, 'keys'), config: join(folder, 'config'), grant: join(folder, 'grant') };
    keys.create(host, files.keys);
    const own = keys.read(host, files.keys);
    if (!own.ok) throw new Error(own.fault.reason);
    await admin('POST', '/consumers', { key: hexOf(own.value.public.signer), name: 'bob' });
    const wish = { offer: 'roof', node: null, quota: '10M', days: '1', isForApp: true };
    const url = `http://127.0.0.1:${here.running.http}`;
    const stranger = await opening.open(files, url, wish, own.value.public.signer);
    assert.is(!stranger.ok && stranger.fault.code, 'stranger', 'another root than the one that was named');
    const app = await opening.open(files, url, wish, here.authority.rootKey);
    assert.is(app.ok, true, JSON.stringify(app));
    const config = readFileSync(files.config, 'utf8');
    assert.match(config, `PrivateKey = ${base64.encode(own.value.tunnel)}\nAddress = 10.213.`);
    assert.match(config, 'Endpoint = 11.1.0.2:51820');
    assert.is(statSync(files.config).mode & 0o777, 0o600);
    kernel.pass(peer, 3_000_000, 9_000_000);
    assert.is((await admin('DELETE', `/sessions/${session}`)).status, 200);
    const ended = await seen(`/sessions/${session}`, (json) => json['final'] !== null);
    assert.equal([ended['up'], ended['down'], ended['final'], ended['broken']], [3_000_000, 9_000_000, 'revoked', null]);
    assert.is(kernel.held(peer), undefined);

    const { accounts } = (await admin('GET', '/ledger')).json;
    assert.equal((await admin('GET', '/ledger/check')).json, { wrong: [] });
    const paid = (accounts as readonly { account: string; unit: string; amount: number }[]).filter(
      ({ account }) => account === `node/${id}`,
    );
    assert.equal(
      paid.map(({ unit, amount }) => `${amount} ${unit}`),
      [`${(12_000_000n * 1200n) >> 20n} EUR`, '12000000 bytes'],
    );
    const messages = evidence.parse((await admin('GET', `/sessions/${session}/evidence`)).text);
    if (!messages.ok) throw new Error(messages.fault.reason);
    assert.equal(evidence.examine(messages.value, [here.authority.rootKey], portable).findings, []);
    assert.equal((await admin('GET', '/refusals')).json['refusals'], []);
  } finally {
    bus.close();
    await h.close();
    await here.stop();
    await broker.stop();
    rmSync(folder, { recursive: true });
  }
});
agent.run();

// The demo's story, wherever it is told: a friend, a quota, a kill, a lie, and what can be proven of them afterwards. Says what it does in
// plain words, and measures what it claims.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as enforcer from '../agent/adapters/enforcer-client.ts';
import * as keys from '../agent/consumer/keys.ts';
import { renderSize } from '../agent/core/amount.ts';
import { type ByteCount, millis } from '../agent/core/brand.ts';
import { sumOf } from '../agent/core/seat.ts';
import { host } from '../agent/host/node.ts';
import * as base64 from '../agent/wire/base64.ts';
import * as console from '../agent/wire/console.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as told from '../agent/wire/told.ts';
import { type Consumer, must, peerOf, type Ran, type Stage, type Ticket } from './demo-stage.ts';

/** A line of the summary. */
export type Proof = Readonly<{ what: string; shown: string; holds: boolean }>;
export type Say = (line: string) => void;

const mib = 1 << 20;
const quota = 4 * mib;
const wanted = 20 * mib;
const size = (n: bigint | number): string => renderSize(BigInt(n) as ByteCount);

/** `folder`: for what is written on the way. */
export async function tell(stage: Stage, folder: string, say: Say): Promise<readonly Proof[]> {
  const proofs: Proof[] = [];
  let steps = 0;
  const step = (words: string): void => say(`\n${++steps}. ${words}`);
  const show = (text: string): void => {
    for (const line of text.trimEnd().split('\n')) say(line.startsWith('\x1b') ? line : `   ${line}`);
  };
  const prove = (what: string, shown: string, holds: boolean): void => {
    proofs.push({ what, shown, holds });
    say(`   → ${shown}`);
  };
  const file = (name: string): string => join(folder, name);

  async function weir(...args: readonly string[]): Promise<string> {
    const words = args
      .join(' ')
      .replaceAll(`${folder}/`, '')
      .replace(/\b([0-9a-f]{8})[0-9a-f]{56}\b/, '$1…');
    show(console.wrap('$ ', `weir ${words}`, 2));
    const ran = await stage.weir(...args);
    if (ran.code !== 0) throw new Error(`weir ${args[0]}: ${ran.code}: ${ran.stderr}`);
    return ran.stdout;
  }
  const sessionOf = async (name: string): Promise<told.Session | undefined> =>
    must(told.decodeSessions(must(await stage.bus.call('weir', 'sessions', [], millis(20_000))))).find((s) => s.name === name);
  /** The agent looks every ten seconds. */
  async function until(name: string, is: (s: told.Session) => boolean): Promise<told.Session> {
    for (let tries = 0; tries < 150; tries++) {
      const s = await sessionOf(name);
      if (s !== undefined && is(s)) return s;
      await pause(500);
    }
    throw new Error(`${name}'s session is not as it was to be: ${JSON.stringify(await sessionOf(name), (_, v) => `${v}`)}`);
  }
  /** What the kernel has let through so far. */
  async function counted(ticket: Ticket): Promise<bigint> {
    const key = peerOf(ticket);
    const row = must(await enforcer.read(stage.bus.call)).rows.find((r) => r.key === key);
    if (row === undefined) throw new Error('nobody of that key is in the kernel');
    return sumOf(row.counted);
  }
  async function befriend(name: string, amount: string, credit: string, hasKey: boolean): Promise<Ticket> {
    const ticket = { keys: file(`${name}.keys`), config: file(`${name}.conf`), grant: file(`${name}.grant`) };
    must(keys.create(host, ticket.keys));
    const { tunnel, signer } = must(keys.read(host, ticket.keys)).public;
    const own = hasKey ? ['--key', base64.encode(tunnel)] : [];
    const terms = ['--consumer', hexOf(signer), '--countersign', 'required', '--credit', credit];
    const files = ['--out', ticket.config, '--grant', ticket.grant];
    show(await weir('friend', 'add', name, '--quota', amount, '--rate', '20M', '--days', '30', ...own, ...terms, ...files));
    return ticket;
  }
  async function part(name: string, consumer: Consumer): Promise<void> {
    show(await weir('friend', 'remove', name));
    await until(name, ({ condition }) => condition === 'closed');
    await consumer.leave();
    writeFileSync(file(`${name}.receipts`), await weir('receipts', name, '--hex'));
    show(`$ scripts/verify ${name}.receipts`);
    const { code, stdout } = await verify(file(`${name}.receipts`));
    show(stdout);
    prove(`${name}'s receipts are right`, code === 0 ? 'everything holds' : 'something does not hold', code === 0);
  }

  step('A router is up, and its agent connected to a broker. Nothing is shared before its owner says yes.');
  await stage.begin();
  for (const line of stage.scene) say(`   ${line}`);
  show(`agent: ${await stage.says(/link: connected to/)}`);
  show(await weir('share'));
  await stage.share();

  step('The owner adds a friend: 4 MiB, 20 Mbit/s, 30 days; she countersigns what the router says about her.');
  const ann = await befriend('ann', '4M', '4M', false);

  step('Ann takes the configuration (any WireGuard app can), and loads 2 MiB from the Internet through the tunnel.');
  const first = await stage.join(ann, null);
  const arrived = await first.download(2 * mib);
  prove('a friend uses the tunnel', `${size(arrived)} arrived; the kernel counted ${await counted(ann)} bytes`, arrived >= 2 * mib);
  await first.says(/^receipt 1: agreed/);
  prove('what she used is signed by both', 'a receipt of the router, countersigned by Ann from her own counter', true);

  step('She wants 20 MiB more. The kernel stops her at her quota.');
  await first.download(wanted);
  const atQuota = await counted(ann);
  prove('the quota holds in the kernel', `${atQuota} of ${quota} bytes passed, then nothing`, atQuota > quota * 0.9 && atQuota <= quota);
  await until('ann', ({ condition, reason }) => condition === 'paused' && reason === 'spent');
  show(await weir('friend', 'list'));

  step('The owner gives her 4 MiB more.');
  show(await weir('friend', 'top-up', 'ann', '--quota', '4M'));
  // A grant that changes another is signed, too: a consumer that countersigns has to know it.
  writeFileSync(ann.grant, await weir('receipts', 'ann', '--hex'));
  const more = await first.download(mib);
  prove('a top-up takes effect at once', `${size(more)} more arrived`, more >= mib);

  step('The agent is killed with -9, and Ann wants 20 MiB. The limits are in the kernel.');
  await stage.kill();
  await first.download(wanted);
  const unattended = await counted(ann);
  const all = 2 * quota;
  prove(
    'limits hold with the agent dead',
    `${unattended} of ${all} bytes passed, then nothing`,
    unattended > all * 0.9 && unattended <= all,
  );
  await stage.restart();
  const found = await until('ann', ({ up, down }) => up + down === unattended);
  prove('nothing is lost by the kill', `the new agent bills ${found.up + found.down} bytes, as the kernel counted`, true);

  step('Bob is a friend, too, with a key of his own; but he lies: to every receipt he says that it was half as much.');
  const bob = await befriend('bob', '100M', '1M', true);
  const liar = await stage.join(bob, 'less');
  await liar.download(8 * mib);
  const word = await stage.says(/its consumer disputes receipt \d+: bytes/);
  const slowed = await until('bob', ({ condition }) => condition === 'throttled');
  show(`agent: ${word}`);
  show(await weir('friend', 'list'));
  prove('a lying consumer is caught', `disputed, and ${slowed.condition} beyond 1 MiB of credit`, true);

  step('Both are removed. What the router signed is checked by scripts/verify, which needs neither router nor network.');
  await part('bob', liar);
  await part('ann', first);
  return proofs;
}

const verify = (path: string): Promise<Ran> =>
  new Promise((resolve) =>
    execFile(process.execPath, ['scripts/run.mjs', 'scripts/verify.ts', path], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    ),
  );

// The demo's story, wherever it is told: three routers and a coordinator, a quota, a top-up, a lost uplink, a kill, a lie, and what can be proven
// of them afterwards. Says what it does in plain words, and measures what it claims.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as enforcer from '../agent/adapters/enforcer-client.ts';
import * as keys from '../agent/consumer/keys.ts';
import { renderSize } from '../agent/core/amount.ts';
import type { ByteCount, PublicKey } from '../agent/core/brand.ts';
import { sumOf } from '../agent/core/seat.ts';
import type { KeyId, SessionId } from '../agent/core/signed.ts';
import { host } from '../agent/host/node.ts';
import * as base64 from '../agent/wire/base64.ts';
import * as console from '../agent/wire/console.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import type { Lie } from '../test/consumer/liar.ts';
import type { Files } from './consumer-open.ts';
import { type Consumer, must, type Ran, type Router, type Stage } from './demo-stage.ts';
import * as desk from './desk.ts';

/** A line of the summary. */
export type Proof = Readonly<{ what: string; holds: boolean }>;
export type Say = (line: string) => void;

const mib = 1 << 20;
const quota = 4 * mib;
const wanted = 20 * mib;
/** Beyond what passes without a countersignature, and below twice of it, where a session ends. */
const unsigned = 6 * mib;
const offer = {
  micro: 1200,
  currency: 'EUR',
  rate_up: 20_000_000,
  rate_down: 20_000_000,
  most_bytes: 1e9,
  most_seconds: 30 * 86_400,
  credit: 4 * mib,
};
const size = (n: bigint | number): string => renderSize(BigInt(n) as ByteCount);

type Person = Readonly<{ name: string; files: Files; near: Router }>;
/** Somebody with a session. */
type Guest = Person & Readonly<{ session: SessionId; consumer: Consumer }>;
type Account = Readonly<{ account: string; unit: string; amount: number }>;
type Figures = Readonly<{ up: number; down: number; receipts: number; agreed: number; final: string | null }>;

/** What is simulated says so in front of every line, and 80 columns have to hold it. */
/** What it comes to is waited for later, and so is its failure. */
function meanwhile<T>(begin: () => Promise<T>): Promise<T> {
  const work = begin();
  work.catch(() => undefined);
  return work;
}

const width = 69;
function wrap(head: string, words: string, indent = 3): string {
  const lines: string[] = [];
  let line = `${head} `.padEnd(indent);
  for (const word of words.split(' ')) {
    if (line.length + word.length > width) {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent);
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()].join('\n');
}

/** `folder`: for what is written on the way. */
export async function tell(stage: Stage, folder: string, say: Say): Promise<readonly Proof[]> {
  const proofs: Proof[] = [];
  const { coordinator } = stage;
  const [north, middle, south] = stage.routers;
  let steps = 0;
  const step = (words: string): void => {
    steps += 1;
    say(`\n${wrap(`${steps}.`, words)}`);
  };
  const show = (text: string): void => {
    for (const line of text.trimEnd().split('\n')) say(line.length + 3 > width ? wrap('  ', line.trim(), 5) : `   ${line}`);
  };
  const prove = (what: string, shown: string, holds: boolean): void => {
    proofs.push({ what, holds });
    say(wrap('   →', shown, 5));
  };
  const file = (name: string): string => join(folder, name);

  async function until<T>(what: string, look: () => Promise<T>, is: (seen: T) => boolean): Promise<T> {
    for (let tries = 0; tries < 240; tries++) {
      const seen = await look();
      if (is(seen)) return seen;
      await pause(500);
    }
    const seen = await look();
    throw new Error(`${what}: never; ${typeof seen === 'bigint' ? seen : JSON.stringify(seen)}`);
  }
  const sessionOf = ({ session }: Guest) => coordinator.ask('GET', `/sessions/${session}`) as Promise<Figures>;
  /** What the kernel has let through so far. */
  async function counted({ near, files }: Person): Promise<bigint> {
    const key = base64.encode(must(keys.read(host, files.keys)).public.tunnel);
    const row = must(await enforcer.read(near.bus.call)).rows.find((r) => r.key === key);
    if (row === undefined) throw new Error('nobody of that key is in the kernel');
    return sumOf(row.counted);
  }
  /** Nothing passes any more, not even the end of an idle connection. */
  async function settled(who: Person): Promise<bigint> {
    for (let last = await counted(who); ; ) {
      await pause(6000);
      const now = await counted(who);
      if (now === last) return now;
      last = now;
    }
  }

  async function enrol(router: Router): Promise<KeyId> {
    const { code, name } = (await coordinator.ask('POST', '/tickets', { kind: 'claim', seconds: 3600 })) as { code: string; name: string };
    await router.begin(code);
    const ran = await router.weir('share');
    if (ran.code !== 0) throw new Error(`weir share: ${ran.code}: ${ran.stderr}`);
    await router.share();
    type Ticket = Readonly<{ name: string; used_by: KeyId | null }>;
    const find = async (): Promise<KeyId | null> => {
      const { tickets } = (await coordinator.ask('GET', '/tickets')) as { tickets: readonly Ticket[] };
      return tickets.find((one) => one.name === name)?.used_by ?? null;
    };
    const node = (await until('enrolled', find, (by) => by !== null)) as KeyId;
    // The address to call comes with the birth after the owner's yes.
    type Node = Readonly<{ here: boolean; birth: Readonly<{ tunnel: Readonly<{ addresses: readonly string[] }> | null }> | null }>;
    const ask = (): Promise<Node> => coordinator.ask('GET', `/nodes/${node}`) as Promise<Node>;
    await until('reachable', ask, ({ here, birth }) => here && (birth?.tunnel?.addresses.length ?? 0) > 0);
    return node;
  }
  async function know(name: string, near: Router): Promise<Person> {
    const files = { keys: file(`${name}.keys`), config: file(`${name}.conf`), grant: file(`${name}.grant`) };
    must(keys.create(host, files.keys));
    const { signer } = must(keys.read(host, files.keys)).public;
    await coordinator.ask('POST', '/consumers', { key: hexOf(signer), name });
    return { name, files, near };
  }
  async function open(who: Person, node: KeyId, amount: string, lie: Lie | null): Promise<Guest> {
    const wish = { offer: 'roof', node, quota: amount, days: '30', isForApp: false };
    const consumer = await who.near.join(who.files, wish, lie);
    const [, session = ''] = /^session (\w+)/.exec(consumer.opened) ?? [];
    return { ...who, consumer, session: session as SessionId };
  }
  const root = bytesOf(coordinator.root) as PublicKey;
  const asConsumer = (who: Person): desk.Desk => desk.at(coordinator.url, must(keys.read(host, who.files.keys)).signer, root);

  step('A coordinator is up: it knows routers and consumers, signs what is granted, and keeps the books. It carries no traffic.');
  for (const line of stage.scene) say(`   ${line}`);
  show(`$ scripts/coordinator init --dir coordinator\n$ scripts/coordinator run --dir coordinator`);
  show(`its page: ${coordinator.url}/`);
  await coordinator.ask('PUT', '/offers/roof', offer);

  step('Three neighbours share their lines. Each router gets a claim code, and its owner says yes.');
  show('$ scripts/coordinator ask POST /tickets kind=claim seconds=3600\n$ weir share');
  const nodes = await Promise.all(stage.routers.map(enrol));
  const [a, b, c] = nodes;
  if (a === undefined || b === undefined || c === undefined) throw new Error('three routers that are not three');
  prove('three routers are enrolled', 'each by a code and a key of its own', new Set(nodes).size === 3);

  step('Ann asks for 4 MiB by the first of them. Her key signs the request, and a WireGuard configuration comes back; the tunnel is up.');
  const [annHerself, bobHimself, carolHerself] = [await know('ann', north), await know('bob', middle), await know('carol', south)];
  // What takes its time begins now, and is told of in its turn.
  const lying = meanwhile(async () => {
    const bob = await open(bobHimself, b, '100M', 'less');
    await bob.consumer.download(unsigned);
    return bob;
  });
  const riding = meanwhile(async () => {
    const carol = await open(carolHerself, c, '100M', null);
    await carol.consumer.download(mib);
    return carol;
  });
  show('$ scripts/consumer open --from … --offer roof --quota 4M --days 30');
  const ann = await open(annHerself, a, '4M', null);
  say(wrap('  ', ann.consumer.opened));
  const arrived = await ann.consumer.download(2 * mib);
  prove('a consumer uses the tunnel', `${size(arrived)} arrived; the kernel counted ${await counted(ann)} bytes`, arrived >= 2 * mib);

  step('She wants 3 MiB more. The kernel stops her at her quota.');
  const downloading = meanwhile(() => ann.consumer.download(3 * mib));
  // A session that stands still at its quota ends after ten seconds: nothing is waited for that is not needed.
  let before = 0n;
  const atQuota = await until(
    'at the quota',
    () => counted(ann),
    (now) => {
      const stands = now === before && now > quota * 0.9;
      before = now;
      return stands;
    },
  );
  prove('the quota holds in the kernel', `${atQuota} of ${quota} bytes passed, then nothing`, atQuota <= quota);

  step('She buys 4 MiB more. A top-up is a grant, signed by the coordinator and sent to the router.');
  show(`$ scripts/consumer ask POST /sessions/…/top-up bytes=${quota}`);
  must(await asConsumer(ann).ask('POST', `/sessions/${ann.session}/top-up`, { bytes: quota, seconds: 0 }));
  type Commands = Readonly<{ commands: readonly Readonly<{ kind: string; outcome: string | null }>[] }>;
  const topped = (): Promise<Commands> => coordinator.ask('GET', `/nodes/${a}`) as Promise<Commands>;
  await until('topped up', topped, ({ commands }) => commands.some(({ kind, outcome }) => kind === 'topUp' && outcome !== null));
  const most = await downloading;
  const more = most < 3 * mib ? most + (await ann.consumer.download(3 * mib - most)) : most;
  prove('a top-up takes effect at once', `all ${size(more)} have arrived`, more >= 3 * mib);

  step("The router's agent is killed with -9, and Ann wants 20 MiB. The limits are in the kernel.");
  await north.kill();
  // Until one more brings nothing: a slow machine needs several.
  const all = 2 * quota;
  let unattended = await counted(ann);
  for (let last = -1n; unattended > last && unattended <= all; unattended = await counted(ann)) {
    last = unattended;
    await ann.consumer.download(wanted);
  }
  prove(
    'limits hold with the agent dead',
    `${unattended} of ${all} bytes passed, then nothing`,
    unattended > all * 0.9 && unattended <= all,
  );
  await north.restart();

  step("Carol's router loses its uplink, and gets it back. Nobody does anything about it.");
  const carol = await riding;
  show(`log  ${await south.cut()}`);
  const cutOff = await carol.consumer.download(mib);
  show(`log  ${await south.mend()}`);
  const resumed = await carol.consumer.download(mib);
  prove(
    'a lost uplink comes back',
    `${size(cutOff)} arrived without it; then ${size(resumed)}, in the same session`,
    cutOff === 0 && resumed >= mib,
  );

  step('Bob lies: to every receipt of his router he says that it was half as much.');
  const bob = await lying;
  type Dispute = Readonly<{ session: SessionId } & Record<'told_up' | 'told_down' | 'own_up' | 'own_down', number>>;
  const disputesOf = async (): Promise<readonly Dispute[]> =>
    ((await coordinator.ask('GET', '/disputes')) as { disputes: readonly Dispute[] }).disputes.filter((d) => d.session === bob.session);
  const [dispute] = await until('disputed', disputesOf, (some) => some.length > 0);
  if (dispute === undefined) throw new Error('a list that was not empty');
  const [told, own] = [dispute.told_up + dispute.told_down, dispute.own_up + dispute.own_down];
  const list = await middle.weir('sessions');
  show(list.stdout);
  prove(
    'a lying consumer is caught',
    `${size(told)} by the router, ${size(own)} by Bob: disputed, and slowed down`,
    own < told * 0.6 && /throttled/.test(list.stdout),
  );

  step('All sessions end. What the kernel counted, what was signed and what was booked has to be the same.');
  // Whose quota is spent is out of the kernel by now.
  const last = new Map([
    [ann, unattended],
    ...(await Promise.all([bob, carol].map(async (guest) => [guest, await settled(guest)] as const))),
  ]);
  for (const guest of last.keys()) {
    await guest.consumer.says(/^receipt \d+: /);
    must(await asConsumer(guest).ask('DELETE', `/sessions/${guest.session}`));
  }
  const wrong: string[] = [];
  for (const [guest, kernel] of last) {
    const { up, down, receipts, agreed } = await until(
      `${guest.name}'s last receipt`,
      () => sessionOf(guest),
      ({ final }) => final !== null,
    );
    const isSame = BigInt(up + down) === kernel;
    if (!isSame) wrong.push(guest.name);
    show(`${guest.name.padEnd(6)} kernel ${kernel}  billed ${up + down}  ${receipts} receipts, ${agreed} countersigned`);
  }
  prove(
    'billed is what the kernel counted',
    wrong.length === 0 ? 'to the byte, in all three sessions' : `not of ${wrong.join()}`,
    wrong.length === 0,
  );
  show('What Bob disputes is held until somebody decides. An admin does:');
  show(`$ scripts/coordinator ask POST /sessions/…/decision to=node`);
  await coordinator.ask('POST', `/sessions/${bob.session}/decision`, { to: 'node' });
  const { accounts } = (await coordinator.ask('GET', '/ledger')) as { accounts: readonly Account[] };
  const names = new Map<string, string>(nodes.map((id, i) => [`node/${id}`, `router ${i + 1}`]));
  for (const { name, files } of [ann, bob, carol]) names.set(`consumer/${hexOf(must(keys.read(host, files.keys)).public.signer)}`, name);
  const shown = accounts.map(({ account, unit, amount }) => [
    names.get(account) ?? account,
    unit === 'bytes' ? `${amount}` : (amount / 1e6).toFixed(6),
    unit,
  ]);
  show(console.columns(shown, [1]));
  const sums = ['bytes', 'EUR'].map((unit) => accounts.reduce((sum, one) => sum + (one.unit === unit ? one.amount : 0), 0));
  const check = (await coordinator.ask('GET', '/ledger/check')) as { wrong: readonly string[] };
  prove('the ledger adds up', `the sum is ${sums.join(' bytes and ')} EUR`, sums.every((sum) => sum === 0) && check.wrong.length === 0);

  step('What was signed is checked by scripts/verify, which needs neither router, coordinator nor network.');
  for (const guest of [ann, bob, carol]) {
    const path = file(`${guest.name}.signed`);
    writeFileSync(path, String(await coordinator.ask('GET', `/sessions/${guest.session}/evidence`)));
    show(`$ scripts/verify --key ${coordinator.root.slice(0, 8)}… ${guest.name}.signed`);
    const { code, stdout } = await verify('--key', coordinator.root, path);
    show(stdout);
    prove(`${guest.name}'s receipts are right`, code === 0 ? 'everything holds' : 'something does not hold', code === 0);
    await guest.consumer.leave();
  }
  return proofs;
}

const verify = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) =>
    execFile(process.execPath, ['scripts/run.mjs', 'scripts/verify.ts', ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    ),
  );

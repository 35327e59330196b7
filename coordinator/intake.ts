// What comes in over the broker: each message is verified by the key that its topic's node is pinned to, written down, and then acknowledged to
// the node itself. Nothing is decided by a topic, by what is not signed, or by the broker's word. Knows no broker but by its port.

import type { Order } from '../agent/core/command.ts';
import type { Fault } from '../agent/core/result.ts';
import { absurd, fault, text } from '../agent/core/result.ts';
import type { Digest, KeyId, SessionId } from '../agent/core/signed.ts';
import * as cose from '../agent/wire/cose.ts';
import * as enrol from '../agent/wire/enrol.ts';
import type { Authority } from './authority.ts';
import * as authority from './authority.ts';
import * as book from './book.ts';
import { hashes } from './hashes.ts';
import * as orders from './orders.ts';
import type { Database } from './ports/database.ts';
import * as registry from './registry.ts';
import * as roots from './roots.ts';

export type Outside = Readonly<{
  database: Database;
  authority: Authority;
  prefix: string;
  now(): number;
  publish(topic: string, payload: Uint8Array): void;
  log(line: string): void;
}>;

export type Intake = Readonly<{
  hear(topic: string, payload: Uint8Array): Promise<void>;
  /** The broker has kept nothing for us: what nodes said meanwhile may be lost, though it was confirmed to them. */
  missed(): void;
  /** Sends what this node has not answered. */
  nudge(node: KeyId): Promise<void>;
  /** Acknowledges what has arrived, and repeats what waits. To be called every few seconds. */
  turn(): Promise<void>;
}>;

/** Nodes that came before anybody let them in: the oldest goes first. */
const mostStrangers = 4096;
const mostAcknowledged = 32;
const repeatAfter = 30;
/** All that is signed is smaller, and so is what is not. */
const mostBytes = 4096;
/** Nodes that are asked in one turn for what seems to be lost: each for one session, since a node hears two commands in a second. */
const mostAsked = 16;
/** Of one node, and unanswered: the oldest is forgotten, and asked anew. */
const mostWished = 64;

type Acknowledged = Readonly<{ session: SessionId; sequence: number; digest: Digest }>;
type Owed = { receipts: Map<SessionId, Acknowledged>; root: Readonly<{ number: number; digest: Digest }> | null };
type Wish = Omit<book.Wish, 'node'>;

export function start(outside: Outside): Intake {
  const { database, prefix, now, publish, log } = outside;
  const auth = outside.authority;
  const strangers = new Map<string, Readonly<{ birth: Uint8Array; state: Uint8Array | null }>>();
  const owed = new Map<KeyId, Owed>();
  const sent = new Map<KeyId, number>();
  const wanted = new Map<SessionId, number>();
  /** By the epoch and the number of the command that asks. */
  const wishes = new Map<KeyId, Map<string, Wish>>();
  const lost = new Map<KeyId, Wish[]>();
  let isLost = false;

  const topicOf = (node: string, name: string): string => `${prefix}/${node}/${name}`;
  const owe = (node: KeyId): Owed => {
    const one = owed.get(node) ?? { receipts: new Map(), root: null };
    owed.set(node, one);
    return one;
  };

  async function refuse(node: string, why: Fault): Promise<void> {
    log(`${node}: refused: ${text(why)}`);
    await database.transaction(async (query) => {
      // Names that anybody may make up share one line.
      const name = (await registry.nodeOf(query, node)) === null ? 'unknown' : node;
      await registry.refuse(query, name, why, now());
    });
  }

  function sayCertificates(node: KeyId): void {
    for (const bytes of authority.certificates(auth, now())) publish(topicOf(node, 'certificates'), bytes);
  }

  async function nudge(node: KeyId): Promise<void> {
    const due = await database.transaction((query) => orders.due(query, node, auth, now()));
    if (!due.ok) return log(`${node}: ${text(due.fault)}`);
    sent.set(node, now());
    for (const bytes of due.value) publish(topicOf(node, 'commands'), bytes);
  }

  /** Its name; null: there is nobody to hear it. */
  async function pass(node: KeyId, order: Order): Promise<string | null> {
    const command = await database.transaction((query) => orders.passing(query, node, order, auth, now()));
    if (!command.ok) log(`${node}: ${text(command.fault)}`);
    if (!command.ok || command.value === null) return null;
    const { bytes, epoch, sequence } = command.value;
    publish(topicOf(node, 'commands'), bytes);
    return `${epoch} ${sequence}`;
  }

  async function wish(node: KeyId, one: Wish): Promise<void> {
    const name = await pass(node, { kind: 'send', ...one });
    if (name === null) return;
    const all = wishes.get(node) ?? new Map<string, Wish>();
    wishes.set(node, all.set(name, one));
    const [oldest] = all.keys();
    if (all.size > mostWished && oldest !== undefined) all.delete(oldest);
  }

  async function hearBirth(name: string, node: registry.Node | null, signed: cose.Signed, payload: Uint8Array): Promise<void> {
    if (node === null) {
      strangers.delete(name);
      strangers.set(name, { birth: payload, state: null });
      const [oldest] = strangers.keys();
      if (strangers.size > mostStrangers && oldest !== undefined) strangers.delete(oldest);
      return;
    }
    const verified = cose.verify(signed, node.key, hashes);
    const born = verified.ok ? await database.transaction((query) => registry.takeBirth(query, node.id, verified.value, now())) : verified;
    if (!born.ok) return refuse(name, born.fault);
    switch (born.value) {
      case 'copied': {
        log(`${name}: there are two of it, or a backup was restored: in quarantine`);
        // For when somebody has looked, and believes it.
        sayCertificates(node.id);
        await database.transaction((query) =>
          orders.add(query, node.id, { kind: 'quarantine', isOn: true }, { session: null, by: 'coordinator', now: now() }),
        );
        return nudge(node.id);
      }
      // Known: the node has connected again, or we have, and since then the certificate may be another.
      case 'known':
      case 'fresh':
        sayCertificates(node.id);
        return nudge(node.id);
      default:
        return absurd(born.value);
    }
  }

  async function hearEnrolment(name: string, signed: cose.Signed): Promise<void> {
    const held = authority.pick(auth, 'command', now());
    if (!held.ok) return log(`${name}: ${text(held.fault)}`);
    const answer =
      signed.signer === name
        ? await database.transaction((query) => registry.takeEnrolment(query, signed, auth.root, now()))
        : ({ ok: false, fault: fault('denied', 'topic', 'is of another node') } as const);
    if (!answer.ok) return refuse(name, answer.fault);
    const { node, answer: said } = answer.value;
    if (said.kind === 'refused') log(`${name}: not enrolled: ${said.reason}`);
    sayCertificates(node);
    const message = cose.sign('enrolled', enrol.answered.write(answer.value), held.value.signer, hashes);
    publish(topicOf(node, 'enrolled'), cose.encode(message));
    // Birth and state came before its request.
    const came = said.kind === 'enrolled' ? strangers.get(node) : undefined;
    if (came === undefined) return;
    strangers.delete(node);
    await hear(topicOf(node, 'birth'), came.birth);
    if (came.state !== null) await hear(topicOf(node, 'state'), came.state);
  }

  async function hearReceipt(node: registry.Node, signed: cose.Verified): Promise<void> {
    const heard = await database.transaction((query) => book.takeReceipt(query, node.id, signed, now()));
    if (!heard.ok) return refuse(node.id, heard.fault);
    await take(node.id, heard.value);
  }

  async function take(node: KeyId, { session, head, wanting }: book.Heard): Promise<void> {
    if (head !== null) owe(node).receipts.set(session, { session, ...head });
    if (wanting === null) return void wanted.delete(session);
    if (now() - (wanted.get(session) ?? 0) < repeatAfter) return;
    wanted.set(session, now());
    await wish(node, { session, from: wanting });
  }

  async function hearVoucher(node: KeyId, signed: cose.Signed): Promise<void> {
    const taken = await database.transaction((query) => book.takeVoucher(query, node, signed));
    if (!taken.ok) return refuse(node, taken.fault);
  }

  async function hearReply(node: KeyId, signed: cose.Verified): Promise<void> {
    const reply = await database.transaction((query) => orders.takeReply(query, node, signed, now()));
    if (!reply.ok) return refuse(node, reply.fault);
    const { epoch, sequence, outcome } = reply.value;
    const name = `${epoch} ${sequence}`;
    const wished = wishes.get(node)?.get(name);
    if (wished === undefined) return;
    wishes.get(node)?.delete(name);
    if (outcome.kind !== 'refused' || outcome.code !== 'missing') return;
    log(`${node}: session ${wished.session}: receipts from ${wished.from} on are not kept any more`);
    const heard = await database.transaction((query) => book.passOver(query, wished.session, node, wished.from, now()));
    if (heard !== null) await take(node, heard);
  }

  /** A message that cannot be taken while the database answers would come again for ever, and nothing behind it: its node may say it again. */
  async function hear(topic: string, payload: Uint8Array): Promise<void> {
    try {
      await listen(topic, payload);
    } catch {
      // The database was away for a moment, or two of its transactions were in each other's way.
      await database.transaction((query) => query('select 1 as n'));
      await listen(topic, payload).catch(async (error: unknown) => {
        await database.transaction((query) => query('select 1 as n'));
        log(`${topic}: passed over: ${String(error)}`);
      });
    }
  }

  async function listen(topic: string, payload: Uint8Array): Promise<void> {
    const [name, kind, ...more] = topic.startsWith(`${prefix}/`) ? topic.slice(prefix.length + 1).split('/') : [];
    if (name === undefined || kind === undefined) return;
    if (payload.length > mostBytes) return refuse(name, fault('limit', kind, `at most ${mostBytes} bytes`));
    if (!/^[a-z2-7]{16}$/.test(name))
      return refuse(name, fault('unsupported', 'topic', 'a node goes by its key id here: leave weir.node.id out'));
    const node = await database.transaction((query) => registry.nodeOf(query, name));
    if (node?.standing === 'revoked') return;
    const stranger = node === null ? strangers.get(name) : undefined;
    if (kind === 'state' && stranger !== undefined) return void strangers.set(name, { ...stranger, state: payload });
    if (kind === 'state' || kind === 'telemetry') return node === null ? undefined : hearUnsigned(node.id, kind, payload);
    const signed = cose.decode(payload);
    if (!signed.ok) return refuse(name, signed.fault);
    if (kind === 'birth') return hearBirth(name, node, signed.value, payload);
    if (kind === 'enrol') return hearEnrolment(name, signed.value);
    if (node === null) return refuse(name, fault('stranger', kind, 'of no node here'));
    if (signed.value.kind === 'voucher') return hearVoucher(node.id, signed.value);
    const verified = cose.verify(signed.value, node.key, hashes);
    if (!verified.ok) return refuse(name, verified.fault);
    if (kind === 'roots') {
      const root = await database.transaction((query) => roots.take(query, node.id, verified.value, now()));
      if (!root.ok) return refuse(name, root.fault);
      owe(node.id).root = root.value;
      return;
    }
    if (more[0] !== auth.root) return;
    if (kind === 'receipts') return hearReceipt(node, verified.value);
    if (kind === 'replies') return hearReply(node.id, verified.value);
  }

  /** Shown, and nothing else. */
  async function hearUnsigned(node: KeyId, kind: 'state' | 'telemetry', payload: Uint8Array): Promise<void> {
    await database.transaction((query) => registry.show(query, node, kind, payload, now()));
  }

  async function askForLost(): Promise<void> {
    const heads = await database.transaction((query) => book.headsOf(query));
    isLost = false;
    lost.clear();
    for (const one of heads) miss(one);
  }

  const miss = ({ node, ...one }: book.Wish): unknown => lost.set(node, [...(lost.get(node) ?? []), one]);

  async function turn(): Promise<void> {
    for (const [node, mine] of owed) {
      const { receipts, root } = mine;
      const some = [...receipts.values()].slice(0, mostAcknowledged);
      await pass(node, { kind: 'acknowledge', receipts: some, root });
      // Not before: a database that fails now would leave them unsaid for an hour. What came meanwhile is said with the next turn.
      for (const one of some) if (receipts.get(one.session) === one) receipts.delete(one.session);
      if (mine.root === root) mine.root = null;
      if (receipts.size === 0 && mine.root === null) owed.delete(node);
    }
    if (isLost) await askForLost();
    for (const one of await database.transaction((query) => roots.judge(query, now()))) miss(one);
    for (const [node, [one, ...more]] of [...lost].slice(0, mostAsked)) {
      lost.delete(node);
      if (more.length > 0) lost.set(node, more);
      if (one !== undefined) await wish(node, one);
    }
    const open = await database.transaction((query) => query<{ node: string }>('select distinct node from command where outcome is null'));
    for (const { node } of open) if (now() - (sent.get(node as KeyId) ?? 0) >= repeatAfter) await nudge(node as KeyId);
  }

  return {
    hear,
    missed() {
      isLost = true;
    },
    nudge,
    turn,
  };
}

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
  /** Sends what this node has not answered. */
  nudge(node: KeyId): Promise<void>;
  /** Acknowledges what has arrived, and repeats what waits. To be called every few seconds. */
  turn(): Promise<void>;
}>;

/** Nodes that came before anybody let them in: the oldest goes first. */
const mostStrangers = 4096;
const mostAcknowledged = 32;
const repeatAfter = 30;

type Acknowledged = Readonly<{ session: SessionId; sequence: number; digest: Digest }>;
type Owed = { receipts: Map<SessionId, Acknowledged>; root: Readonly<{ number: number; digest: Digest }> | null };

export function start(outside: Outside): Intake {
  const { database, prefix, now, publish, log } = outside;
  const auth = outside.authority;
  const strangers = new Map<string, Readonly<{ birth: Uint8Array; state: Uint8Array | null }>>();
  const owed = new Map<KeyId, Owed>();
  const sent = new Map<KeyId, number>();
  const wanted = new Map<SessionId, number>();

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

  async function pass(node: KeyId, order: Order): Promise<void> {
    const bytes = await database.transaction((query) => orders.passing(query, node, order, auth, now()));
    if (!bytes.ok) log(`${node}: ${text(bytes.fault)}`);
    else if (bytes.value !== null) publish(topicOf(node, 'commands'), bytes.value);
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
      case 'known':
        return;
      case 'copied': {
        log(`${name}: there are two of it, or a backup was restored: in quarantine`);
        await database.transaction((query) =>
          orders.add(query, node.id, { kind: 'quarantine', isOn: true }, { session: null, by: 'coordinator', now: now() }),
        );
        return nudge(node.id);
      }
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
    const { head, wanting } = heard.value;
    if (head !== null) owe(node.id).receipts.set(head.session, head);
    const session = head?.session;
    if (wanting === null || session === undefined || now() - (wanted.get(session) ?? 0) < repeatAfter) return;
    wanted.set(session, now());
    await pass(node.id, { kind: 'send', session, from: wanting });
  }

  async function hear(topic: string, payload: Uint8Array): Promise<void> {
    const [name, kind, ...more] = topic.startsWith(`${prefix}/`) ? topic.slice(prefix.length + 1).split('/') : [];
    if (name === undefined || kind === undefined) return;
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
    const verified = cose.verify(signed.value, node.key, hashes);
    if (!verified.ok) return refuse(name, verified.fault);
    if (kind === 'roots') {
      const root = await database.transaction((query) => book.takeRoot(query, node.id, verified.value, now()));
      if (!root.ok) return refuse(name, root.fault);
      owe(node.id).root = root.value;
      return;
    }
    if (more[0] !== auth.root) return;
    if (kind === 'receipts') return hearReceipt(node, verified.value);
    if (kind !== 'replies') return;
    const reply = await database.transaction((query) => orders.takeReply(query, node.id, verified.value, now()));
    if (!reply.ok) return refuse(name, reply.fault);
  }

  /** Shown, and nothing else. */
  async function hearUnsigned(node: KeyId, kind: 'state' | 'telemetry', payload: Uint8Array): Promise<void> {
    await database.transaction((query) => registry.show(query, node, kind, payload, now()));
  }

  async function turn(): Promise<void> {
    for (const [node, { receipts, root }] of owed) {
      const some = [...receipts.values()].slice(0, mostAcknowledged);
      for (const { session } of some) receipts.delete(session);
      if (receipts.size === 0) owed.delete(node);
      await pass(node, { kind: 'acknowledge', receipts: some, root });
    }
    const open = await database.transaction((query) => query<{ node: string }>('select distinct node from command where outcome is null'));
    for (const { node } of open) if (now() - (sent.get(node as KeyId) ?? 0) >= repeatAfter) await nudge(node as KeyId);
  }

  return { hear, nudge, turn };
}

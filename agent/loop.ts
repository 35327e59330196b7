// event → update → effects → answers, for as long as the process lives. Carries out what core/agent decides through ports that a root has
// wired, and is the only place that logs.

import * as agent from './core/agent.ts';
import { millis, type Seconds, seconds } from './core/brand.ts';
import * as contact from './core/contact.ts';
import type { Effect, Publication, Settled, Tunnel, Word } from './core/effect.ts';
import type { Answer, Configured, Event, Ticket } from './core/event.ts';
import type { Granted } from './core/friend.ts';
import type { Grant } from './core/grant.ts';
import type { Mark } from './core/journal.ts';
import type { Keyring } from './core/keyring.ts';
import * as way from './core/link.ts';
import * as orders from './core/orders.ts';
import type { Link as Head, Receipt, Voucher } from './core/receipt.ts';
import { absurd, type Fault, fail, fault, ok, type Result, text, under } from './core/result.ts';
import type { Asked, Consumer, Recalled } from './core/serving.ts';
import type { Departed, Row } from './core/session.ts';
import type { Table } from './core/sessions.ts';
import type { Broker, Parsed } from './core/settings.ts';
import type { Nonce, SessionId, Wall } from './core/signed.ts';
import * as standing from './core/standing.ts';
import type { Host, Timer, TlsOptions } from './ports/host.ts';
import type { Connect, Link, Message } from './ports/link.ts';
import type { Store } from './ports/store.ts';

/** What the agent can ask of the world. */
export type World = Readonly<{
  host: Host;
  version: string;
  /** Of the enforcer; and who we are, which is known once it has said on which board. */
  ask(): Promise<Parsed<Omit<Configured, 'kind' | 'node'>>>;
  resolve(name: string): Promise<Result<readonly string[]>>;
  connect: Connect;
  /** Subscribers of our object on the bus. */
  tell(event: string, body: Readonly<Record<string, string>>): void;
  /** What is said, in bytes, and signed where it has to be. */
  compose(word: Word): Uint8Array;
  /** Who has signed what came in, by those whose word counts at that moment. */
  hear(message: Heard, whose: () => Whose): Promise<Event>;
  /** What a birth says of the tunnel. */
  survey(): Promise<Tunnel | null>;
  probe(probe: Probe): Promise<Result<Settled>>;
  reboot(): Promise<Result<Settled>>;
  epoch: Nonce;
  wall(): Wall;
  store: Store;
  recalled: readonly Recalled[];
  /** By our own key. */
  sign(grant: Grant): Pick<Granted, 'id' | 'digest' | 'bytes'>;
  seal(receipts: readonly Receipt[], others: readonly Head[]): Readonly<{ marks: readonly Mark[]; links: readonly Head[] }>;
  read(): Promise<Result<Readonly<{ rows: readonly Row[]; gone: readonly Departed[] }>>>;
  order(asked: readonly Asked[]): Promise<readonly Answer[]>;
  /** Consumers that are there by now are heard; all others no more. */
  attend(consumers: readonly Consumer[]): void;
  show(session: SessionId): void;
  tally(tally: Voucher): void;
}>;

export type Heard = Readonly<{ topic: string; payload: Uint8Array; ticket: Ticket }>;
export type Whose = Readonly<{ ring: Keyring; earliest: Seconds }>;
type Probe = Extract<Effect, { kind: 'probe' }>['probe'];

/** `request`: an event that is answered. */
export type Loop = Readonly<{
  happened(event: Event): void;
  request(of: (ticket: Ticket) => Event): Promise<Result<Settled>>;
  /** Bytes of others, on a topic of this node's: sent once, and only while there is a link. */
  say(topic: string, payload: Uint8Array): Promise<Result<void>>;
  status(): Readonly<Record<string, string>>;
  table(): Table;
}>;

const patience = seconds(30);
/** So long a broker keeps what came for us while we are gone. */
const hour = seconds(3600);
const mostPem = 65_536;

export function start(world: World): Loop {
  const { host, store } = world;
  const { clock } = host;
  const self = { boot: clock.bootId(), epoch: world.epoch };
  const timers: Record<'rest' | 'wait' | 'pace' | 'survey', Timer | null> = { rest: null, wait: null, pace: null, survey: null };
  const asking = new Map<Ticket, (outcome: Result<Settled>) => void>();
  let link: Link | null = null;
  /** What was too long for us would come again with each connection, for as long as the broker stores it. */
  let isChoked = false;
  let base = '';
  let tickets = 0;
  const { state: first, effects } = agent.begin(self, world.recalled, store.state(), clock.monotonic());
  let state = first;
  /** What an effect causes at once comes after the effects that were decided with it. */
  let queue: Event[] | null = null;
  /** One message after the other: a certificate counts for what comes behind it. */
  let hearing: Promise<void> = Promise.resolve();

  function happened(event: Event): void {
    if (queue !== null) {
      queue.push(event);
      return;
    }
    queue = [event];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const step = agent.update(self, state, next, moment());
      state = step.state;
      for (const effect of step.effects) act(effect);
    }
    queue = null;
  }

  const moment = (): agent.Moment => ({ at: clock.monotonic(), luck: luck(), wall: world.wall(), journal: store.state() });
  /** From the kernel's generator, so that two nodes of one image do not draw the same. */
  const luck = (): number => new DataView(host.random(4).buffer).getUint32(0) / 2 ** 32;
  const disconnected = (why: Fault | null): void => {
    link = null;
    happened({ kind: 'disconnected', fault: why });
  };
  const message = ({ topic, word }: Publication): Message => ({
    topic: `${base}${topic}`,
    payload: world.compose(word),
    qos: 1,
    retain: word.kind === 'birth' || word.kind === 'state',
    // By then whoever asked has asked again.
    ...(word.kind === 'reply' && { expiry: hour }),
  });
  function later(name: keyof typeof timers, pause: number, act: () => void): void {
    timers[name]?.cancel();
    timers[name] = clock.after(millis(pause), act);
  }

  function act(effect: Effect): void {
    switch (effect.kind) {
      case 'ask':
        world.ask().then((parsed) => {
          if (parsed.ok) happened({ kind: 'configured', node: parsed.value.settings.node.id ?? parsed.value.id, ...parsed.value });
          else happened({ kind: 'unconfigured', faults: parsed.faults });
        });
        return;
      case 'resolve':
        world.resolve(effect.name).then((found) => {
          if (!found.ok) return disconnected(found.fault);
          const [first, ...more] = found.value;
          if (first === undefined) return disconnected(fault('missing', effect.name, 'the name has no address'));
          happened({ kind: 'resolved', addresses: [first, ...more] });
        });
        return;
      case 'connect':
        open(effect);
        return;
      case 'publish': {
        const { publication } = effect;
        link?.publish(message(publication), (sent) =>
          happened(sent.ok ? { kind: 'published', publication } : { kind: 'unpublished', publication, fault: sent.fault }),
        );
        return;
      }
      case 'subscribe':
        for (const topic of effect.topics)
          link?.subscribe(`${base}${topic}`, 1, (granted) => {
            if (!granted.ok) host.log(text(under(`link: ${topic}`, granted.fault)));
          });
        return;
      case 'hear': {
        tickets += 1;
        const heard = { topic: effect.topic, payload: effect.payload, ticket: tickets };
        const whose = (): Whose => ({ ring: state.orders.ring, earliest: orders.earliest(state.orders, moment()) });
        hearing = hearing.then(() => world.hear(heard, whose)).then(happened);
        return;
      }
      case 'pace':
        later('pace', effect.pause, () => happened({ kind: 'paced' }));
        return;
      case 'survey':
        later('survey', effect.pause, () => world.survey().then((tunnel) => happened({ kind: 'surveyed', tunnel })));
        return;
      case 'probe':
        world.probe(effect.probe).then((outcome) => happened({ kind: 'settled', ticket: effect.ticket, outcome }));
        return;
      case 'reboot':
        world.reboot().then((outcome) => happened({ kind: 'settled', ticket: effect.ticket, outcome }));
        return;
      case 'disconnect':
        link?.end();
        return;
      case 'rest':
        later('rest', effect.pause, () => happened({ kind: 'rested' }));
        return;
      case 'wait':
        later('wait', effect.pause, () => happened({ kind: 'ticked' }));
        return;
      case 'sign': {
        const { grant, name, ticket } = effect;
        happened({
          kind: 'granted',
          granted: { ...world.sign(grant), grant, name, root: null, ticket, kind: grant.session === null ? 'open' : 'topUp' },
        });
        return;
      }
      case 'agree': {
        const { granted } = effect;
        const written = store.commit(effect.marks);
        happened(written.ok ? { kind: 'agreed', granted } : { kind: 'disagreed', granted, fault: written.fault });
        return;
      }
      case 'note': {
        const written = effect.urgent ? store.commit(effect.marks) : null;
        if (written?.ok === false) host.log(text(written.fault));
        // What could not be written goes with what can.
        const noted = written?.ok === true ? written : store.note(effect.marks);
        if (!noted.ok) host.log(text(noted.fault));
        return;
      }
      case 'read':
        world.read().then((read) => {
          if (!read.ok) happened({ kind: 'unread', fault: read.fault });
          else happened({ kind: 'read', ...read.value, budget: { round: store.isTime(false), step: store.isTime(true) } });
        });
        return;
      case 'order':
        world.order(effect.asked).then((answers) => happened({ kind: 'answered', answers }));
        return;
      case 'seal':
        seal(effect);
        return;
      case 'attend':
        world.attend(effect.consumers);
        return;
      case 'show':
        world.show(effect.session);
        return;
      case 'tally':
        world.tally(effect.tally);
        return;
      case 'answer':
        asking.get(effect.ticket)?.(effect.outcome);
        asking.delete(effect.ticket);
        return;
      case 'tell':
        world.tell(effect.event, effect.body);
        return;
      case 'log':
        host.log(effect.line);
        return;
      case 'exit': {
        const closed = store.close();
        if (!closed.ok) host.log(text(closed.fault));
        host.process.exit(effect.status);
        return;
      }
      default:
        absurd(effect);
    }
  }

  function seal({ receipts, others }: Extract<Effect, { kind: 'seal' }>): void {
    const before = clock.monotonic();
    const { marks, links } = world.seal(receipts, others);
    const took = millis((clock.monotonic() - before) / receipts.length);
    const written = store.commit(marks);
    happened(written.ok ? { kind: 'sealed', links, took } : { kind: 'unsealed', fault: written.fault });
  }

  function open({ address, broker, clientId, will, ...to }: Extract<Effect, { kind: 'connect' }>): void {
    const tls = tlsOf(host, broker);
    if (!tls.ok) {
      disconnected(tls.fault);
      return;
    }
    base = to.base;
    link = world.connect(
      {
        to: { address, port: broker.port },
        ...(tls.value !== null && { tls: tls.value }),
        version: broker.version,
        clientId,
        ...(broker.user !== null && { user: broker.user }),
        ...(broker.password !== null && { password: broker.password }),
        will: message(will),
        keepAlive: broker.keepAlive,
        // What coordinators say may come while the connection is gone for a moment.
        ...(orders.isTrusting(state.orders) && !isChoked && { session: hour }),
        patience,
      },
      {
        connected() {
          isChoked = false;
          happened({ kind: 'connected' });
        },
        received: ({ topic, payload }) => happened({ kind: 'received', topic: topic.slice(base.length), payload }),
        closed(why) {
          isChoked ||= why?.code === 'limit';
          disconnected(why);
        },
      },
    );
  }

  for (const effect of effects) act(effect);
  return {
    happened,
    request: (of) =>
      new Promise((resolve) => {
        tickets += 1;
        asking.set(tickets, resolve);
        happened(of(tickets));
      }),
    say: (topic, payload) =>
      new Promise((resolve) => {
        if (link === null || state.contact.kind !== 'connected') resolve(fail('closed', 'link', 'is not there'));
        else link.publish({ topic: `${base}${topic}`, payload, qos: 1, retain: false }, resolve);
      }),
    status: () => ({ ...contact.status(state.contact, clock.monotonic()), ...orders.status(state.orders) }),
    table: () => state.sessions.table,
  };
}

function tlsOf(host: Host, { host: name, tls: wanted }: Broker): Result<TlsOptions | null> {
  if (wanted === null) return ok(null);
  const tls = way.trust(wanted, standing.today(host.clock.wall()) !== null);
  const pin = tls.pin !== null && { pin: tls.pin };
  if (tls.authority === null) return ok({ name, ...pin });
  const pem = host.files.read(tls.authority, mostPem);
  return pem.ok ? ok({ name, authorities: new TextDecoder().decode(pem.value), ...pin }) : pem;
}

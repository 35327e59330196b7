// event → update → effects → answers, for as long as the process lives. Carries out what core/agent decides through ports that a root has
// wired, and is the only place that logs.

import * as agent from './core/agent.ts';
import { seconds } from './core/brand.ts';
import type { Effect, Publication } from './core/effect.ts';
import type { Event } from './core/event.ts';
import * as way from './core/link.ts';
import { absurd, type Fault, fault, ok, type Result } from './core/result.ts';
import type { Broker, Parsed } from './core/settings.ts';
import * as standing from './core/standing.ts';
import type { Host, Timer, TlsOptions } from './ports/host.ts';
import type { Connect, Link, Message } from './ports/link.ts';

/** What the agent can ask of the world. */
export type World = Readonly<{
  host: Host;
  version: string;
  settings(): Promise<Parsed>;
  resolve(name: string): Promise<Result<readonly string[]>>;
  connect: Connect;
  /** Subscribers of our object on the bus. */
  tell(link: 'up' | 'down', broker: string): void;
  encode(fields: Publication['fields']): Uint8Array;
}>;

export type Loop = Readonly<{ happened(event: Event): void; status(): Readonly<Record<string, string>> }>;

const patience = seconds(30);
const mostPem = 65_536;

export function start(world: World): Loop {
  const { host } = world;
  const self = { version: world.version, host: host.kind, boot: host.clock.bootId() };
  let link: Link | null = null;
  let resting: Timer | null = null;
  const { state: first, effects } = agent.begin();
  let state = first;

  function happened(event: Event): void {
    const step = agent.update(self, state, event, { at: host.clock.monotonic(), luck: luck() });
    state = step.state;
    for (const effect of step.effects) act(effect);
  }

  /** From the kernel's generator, so that two nodes of one image do not draw the same. */
  const luck = (): number => new DataView(host.random(4).buffer).getUint32(0) / 2 ** 32;
  const disconnected = (why: Fault | null): void => {
    link = null;
    happened({ kind: 'disconnected', fault: why });
  };
  const message = ({ topic, fields }: Publication): Message => ({ topic, payload: world.encode(fields), qos: 1, retain: true });

  function act(effect: Effect): void {
    switch (effect.kind) {
      case 'ask':
        world.settings().then((parsed) => {
          if (parsed.ok) happened({ kind: 'configured', settings: parsed.value });
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
        const { topic } = effect.publication;
        link?.publish(message(effect.publication), (sent) =>
          happened(sent.ok ? { kind: 'published', topic } : { kind: 'unpublished', topic, fault: sent.fault }),
        );
        return;
      }
      case 'disconnect':
        link?.end();
        return;
      case 'rest':
        resting?.cancel();
        resting = host.clock.after(effect.pause, () => happened({ kind: 'rested' }));
        return;
      case 'tell':
        world.tell(effect.link, effect.broker);
        return;
      case 'log':
        host.log(effect.line);
        return;
      case 'exit':
        host.process.exit(effect.status);
        return;
      default:
        absurd(effect);
    }
  }

  function open({ address, broker, clientId, will }: Extract<Effect, { kind: 'connect' }>): void {
    const tls = tlsOf(host, broker);
    if (!tls.ok) {
      disconnected(tls.fault);
      return;
    }
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
        patience,
      },
      {
        connected: () => happened({ kind: 'connected' }),
        received: () => undefined,
        closed: disconnected,
      },
    );
  }

  for (const effect of effects) act(effect);
  return { happened, status: () => agent.status(state, host.clock.monotonic()) };
}

function tlsOf(host: Host, { host: name, tls: wanted }: Broker): Result<TlsOptions | null> {
  if (wanted === null) return ok(null);
  const tls = way.trust(wanted, standing.today(host.clock.wall()) !== null);
  const pin = tls.pin !== null && { pin: tls.pin };
  if (tls.authority === null) return ok({ name, ...pin });
  const pem = host.files.read(tls.authority, mostPem);
  return pem.ok ? ok({ name, authorities: new TextDecoder().decode(pem.value), ...pin }) : pem;
}

// ports/link.ts by the `mqtt` package over a host's stream. The package speaks the protocol; here are the stream it writes to, its errors
// made Faults, and the promise that every question is answered. It is made anew for each connection: what it would remember from one to
// the next (its store, its reconnecting) is off, because what must survive is decided and kept elsewhere.

import { type IClientOptions, MqttClient, ReasonCodes } from 'mqtt';
import { millis } from '../core/brand.ts';
import { type Code, type Fault, fail, fault, ok, type Result } from '../core/result.ts';
import type { Host, Stream, StreamEvents, Timer } from '../ports/host.ts';
import type { Link, LinkEvents, LinkOptions, Qos } from '../ports/link.ts';
import * as mqtt from '../wire/mqtt.ts';

const farewell = millis(5000);
/** What a broker may send in one packet, and how many before we have answered. We say so by MQTT 5 (3.1.2.11), and hold it to the first in
 *  any case. */
const mostBytes = 65_536;
const mostUnanswered = 16;
/** The first byte of a CONNACK, which a broker's first packet has to be (3.2). */
const welcome = 0x20;
/** As many as there are packet identifiers: what holds where a broker says nothing. */
const mostIds = 65_535;

export function connect({ net, clock }: Pick<Host, 'net' | 'clock'>, options: LinkOptions, events: LinkEvents): Link {
  const unanswered = new Set<(why: Fault) => void>();
  let why: Fault | null = null;
  let leaving: Timer | null = null;
  let open = true;
  /** How many of ours the broker may owe an answer (3.2.2.3.3), and how much it takes in one packet. */
  let room = 0;
  let largest = Number.POSITIVE_INFINITY;
  const waiting: (() => void)[] = [];
  const blame = (first: Fault): void => {
    why ??= first;
  };

  const stream = new PacketStream(
    (to) => (options.tls === undefined ? net.connectTcp(options.to, to) : net.connectTls(options.to, options.tls, to)),
    blame,
  );
  const client = new MqttClient(() => foreign(stream), clientOptions(options));
  // The package answers QoS 1 when this is done. Ours runs outside of its parsing, where a bug is not taken for a broken packet.
  client.handleMessage = ({ topic, payload, qos, retain }, done) =>
    queueMicrotask(() => {
      if (open) events.received({ topic, payload: new Uint8Array(payload as Buffer), qos: qos === 0 ? 0 : 1, retain });
      done();
    });
  client.on('connect', ({ sessionPresent, properties }) => {
    room = properties?.receiveMaximum ?? mostIds;
    largest = properties?.maximumPacketSize ?? largest;
    events.connected(sessionPresent);
  });
  client.on('disconnect', ({ reasonCode }) => {
    blame(fault(codeOf(reasonCode, 'closed'), 'link', `the broker ended it: ${reasonOf(reasonCode)}`));
    // 3.14.4: nothing may follow. A broker that holds the connection nevertheless is not waited for.
    stream.destroy();
  });
  client.on('error', (error) => blame(faultOf(error)));
  client.on('close', () => {
    open = false;
    leaving?.cancel();
    const lost = why ?? fault('closed', 'link', 'the connection is gone');
    const inOrder = leaving !== null && unanswered.size === 0;
    for (const tell of unanswered) tell(lost);
    events.closed(inOrder ? null : lost);
  });

  /** Puts the question if there is somebody to put it to. What the package has no answer to when it closes, `close` answers above. */
  function ask<T>(done: (answer: Result<T>) => void, put: (answer: (error: unknown, value: () => T) => void) => void): void {
    if (!client.connected || leaving !== null) {
      queueMicrotask(() => done(fail('closed', 'link', 'not connected')));
      return;
    }
    // Pings have their answers, so the package would wait for ever; and whatever else is to be said with it.
    const late = clock.after(millis(2000 * options.keepAlive), () => {
      blame(fault('timeout', 'link', 'the broker answers pings alone'));
      stream.destroy();
    });
    const settle = (answer: Result<T>): void => {
      late.cancel();
      done(answer);
    };
    const lost = (why: Fault): void => settle({ ok: false, fault: why });
    unanswered.add(lost);
    put((error, value) => {
      if (error instanceof Error && error.message === 'Connection closed') return;
      if (unanswered.delete(lost)) settle(error instanceof Error ? { ok: false, fault: faultOf(error) } : ok(value()));
    });
  }

  function free(): void {
    const next = waiting.shift();
    if (next === undefined) room += 1;
    else next();
    if (next !== undefined && waiting.length === 0 && leaving !== null && open) client.end();
  }

  return {
    subscribe(filter, qos, done) {
      ask<Qos>(done, (answer) =>
        client.subscribe(filter, { qos }, (error, granted) => answer(error, () => (granted?.[0]?.qos === 1 ? 1 : 0))),
      );
    },
    publish({ topic, payload, qos, retain, expiry }, done) {
      const properties = expiry === undefined ? {} : { properties: { messageExpiryInterval: expiry } };
      // The topic's characters have at most 3 bytes; the rest of what is not payload is short.
      if (payload.length + 3 * topic.length + 32 > largest) {
        queueMicrotask(() => done(fail('limit', topic, `the broker takes ${largest} bytes at most`)));
        return;
      }
      ask<void>(done, (answer) => {
        const send = (): void => {
          client.publish(topic, payload as Buffer, { qos, retain, ...properties }, (error) => {
            if (qos === 1) free();
            answer(error, () => undefined);
          });
        };
        if (qos === 0) send();
        else if (room === 0) waiting.push(send);
        else {
          room -= 1;
          send();
        }
      });
    },
    end() {
      if (!open || leaving !== null) return;
      leaving = clock.after(farewell, () => stream.destroy());
      if (!client.connected) stream.destroy();
      else if (waiting.length === 0) client.end();
    },
  };
}

function clientOptions(o: LinkOptions): IClientOptions {
  return {
    protocolVersion: o.version === '5' ? 5 : 4,
    clientId: o.clientId,
    clean: o.session === undefined,
    keepalive: o.keepAlive,
    connectTimeout: o.patience * 1000,
    reconnectPeriod: 0,
    resubscribe: false,
    // Else it fills a table of 65,536 Buffers, 16 MB, before its first byte goes out.
    writeCache: false,
    timerVariant: 'native',
    log: () => undefined,
    outgoingStore: forgetful,
    incomingStore: forgetful,
    ...(o.version === '5' && {
      properties: {
        receiveMaximum: mostUnanswered,
        maximumPacketSize: mostBytes,
        ...(o.session !== undefined && { sessionExpiryInterval: o.session }),
      },
    }),
    ...(o.user !== undefined && { username: o.user }),
    ...(o.password !== undefined && { password: o.password }),
    ...(o.will !== undefined && { will: { ...o.will, payload: o.will.payload as Buffer } }),
  };
}

/** Reason codes of MQTT 5 and return codes of 3.1.1 that mean: not you, or not so soon. Who shares our name, or its quota, would be thrown
 *  out by our next attempt and come back after it: the one who backs off ends that. */
const refusals: readonly unknown[] = [
  2, // identifier rejected (3.1.1)
  4, // bad user name or password (3.1.1)
  5, // not authorized (3.1.1)
  133, // client identifier not valid
  134, // bad user name or password
  135, // not authorized
  138, // banned
  140, // bad authentication method
  142, // session taken over
  151, // quota exceeded
  156, // use another server
  157, // server moved
  159, // connection rate exceeded
];

const reasonOf = (reason: number | undefined): string =>
  `${ReasonCodes[Number(reason) as keyof typeof ReasonCodes] ?? 'no reason'} (${reason ?? 0})`;
const codeOf = (reason: unknown, otherwise: Code): Code =>
  refusals.includes(reason) ? 'denied' : reason === 149 ? 'limit' : reason === 1 || reason === 132 ? 'unsupported' : otherwise;

function faultOf(error: Error & { code?: unknown }): Fault {
  const otherwise = typeof error.code === 'number' ? 'foreign' : /timeout/i.test(error.message) ? 'timeout' : 'malformed';
  return fault(codeOf(error.code, otherwise), 'link', error.message);
}

type Listener = (...values: never[]) => void;
/** The parser at the other end of the package's pipe. */
type Sink = Readonly<{ write(bytes: Uint8Array, done: () => void): unknown }>;

class Emitter {
  readonly #listeners: { name: string; listener: Listener; once: boolean }[] = [];

  on(name: string, listener: Listener, once = false): this {
    this.#listeners.push({ name, listener, once });
    return this;
  }
  once(name: string, listener: Listener): this {
    return this.on(name, listener, true);
  }
  removeListener(name: string, listener: Listener): this {
    const at = this.#listeners.findIndex((l) => l.name === name && l.listener === listener);
    if (at >= 0) this.#listeners.splice(at, 1);
    return this;
  }
  setMaxListeners(): this {
    return this;
  }
  emit(name: string): void {
    for (const { listener, once } of this.#listeners.filter((l) => l.name === name)) {
      if (once) this.removeListener(name, listener);
      listener();
    }
  }
}

/** As much of a Node stream as the package uses, over a host's stream. One packet leaves in one write, although the package makes it of
 *  many: each write would be a system call and a TLS record of its own. */
class PacketStream extends Emitter {
  readonly #stream: Stream;
  readonly #blame: (why: Fault) => void;
  #sink: Sink | null = null;
  #parsing = false;
  #inbox: Uint8Array[] = [];
  #outbox: Uint8Array[] = [];
  #corks = 0;
  #full = false;
  #ended = false;
  #gone = false;
  /** null: nothing has come yet. */
  #cursor: mqtt.Cursor | null = null;

  constructor(open: (events: StreamEvents) => Stream, blame: (why: Fault) => void) {
    super();
    this.#blame = blame;
    this.#stream = open({
      opened: () => undefined,
      received: (bytes) => {
        // The package would gather a packet of 256 MB before it looked at its size.
        const followed = this.#follow(bytes);
        if (!followed.ok) return this.#close(followed.fault);
        this.#cursor = followed.value.cursor;
        this.#inbox.push(...followed.value.passed);
        this.#parse();
      },
      // A broker that will send nothing more is gone, for all that MQTT could do with it.
      ended: () => this.#close(fault('closed', 'link', 'the broker closed the connection')),
      drained: () => {
        this.#full = false;
        this.emit('drain');
      },
      closed: (why) => this.#close(why ?? fault('closed', 'link', 'the broker closed the connection')),
    });
  }

  #follow(bytes: Uint8Array): Result<mqtt.Followed> {
    // A captive portal answers, too.
    if (this.#cursor === null && bytes[0] !== welcome) return fail('malformed', 'link', 'who answers there is no MQTT broker');
    return mqtt.follow(this.#cursor ?? mqtt.start, bytes, mostBytes);
  }

  pipe(sink: Sink): void {
    this.#sink = sink;
  }

  #parse(): void {
    const sink = this.#sink;
    const bytes = this.#inbox[0];
    if (sink === null || bytes === undefined || this.#parsing || this.#gone) return;
    this.#inbox.shift();
    this.#parsing = true;
    let waited = false;
    try {
      sink.write(bytes, () => {
        this.#parsing = false;
        if (waited && !this.#gone) this.#stream.resume();
        queueMicrotask(() => this.#parse());
      });
    } catch (error) {
      // Its parser throws where a packet's lengths contradict each other.
      this.#close(fault('malformed', 'link', `the broker sent a broken packet: ${error}`));
      return;
    }
    // What was in these bytes may have been the end.
    waited = this.#parsing && !this.#gone;
    if (waited) this.#stream.pause();
  }

  write(chunk: string | Uint8Array): boolean {
    this.#outbox.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
    if (this.#corks === 0) this.#flush();
    return !this.#full;
  }
  cork(): void {
    this.#corks++;
  }
  uncork(): void {
    this.#corks--;
    if (this.#corks === 0) this.#flush();
  }
  end(): void {
    this.#flush();
    if (!this.#gone && !this.#ended) this.#stream.end();
    this.#ended = true;
  }
  destroy(error?: Error): void {
    this.#close(error === undefined ? null : faultOf(error));
  }

  #flush(): void {
    const parts = this.#outbox;
    this.#outbox = [];
    // After DISCONNECT the package may still answer a message that came before.
    if (parts.length === 0 || this.#ended || this.#gone) return;
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    this.#full = !this.#stream.write(all);
  }

  #close(why: Fault | null): void {
    if (this.#gone) return;
    this.#gone = true;
    if (why !== null) this.#blame(why);
    this.#stream.close();
    // The package destroys first and says why after.
    queueMicrotask(() => this.emit('close'));
  }
}

/** What the package would send again on its next connection; this one has no next. */
class Nothing extends Emitter {
  read(): null {
    queueMicrotask(() => this.emit('end'));
    return null;
  }
  destroy(): void {
    this.emit('close');
  }
}

type PackageStream = ReturnType<ConstructorParameters<typeof MqttClient>[0]>;
type PackageStore = NonNullable<IClientOptions['outgoingStore']>;

const foreign = (stream: PacketStream): PackageStream => stream as unknown as PackageStream;
const forgetful: PackageStore = {
  put(_packet, done) {
    done();
    return forgetful;
  },
  del(_packet, done) {
    done();
    return forgetful;
  },
  get(_packet, done) {
    done();
    return forgetful;
  },
  close: (done) => done(),
  createStream: () => new Nothing() as unknown as ReturnType<PackageStore['createStream']>,
};

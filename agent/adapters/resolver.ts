// Host names to addresses: our own small resolver over the host's sockets, because a router's libc would block. Asks the servers it is
// given, one after the other, and answers in bounded time. Caches nothing and reads no file.

import { type Millis, millis } from '../core/brand.ts';
import * as ip from '../core/ip.ts';
import { type Fault, fail, fault, ok, type Result, under } from '../core/result.ts';
import type { Endpoint, Host } from '../ports/host.ts';
import * as dns from '../wire/dns.ts';
import * as writer from '../wire/writer.ts';

export type Options = Readonly<{
  /** Empty: nothing can be resolved. */
  servers: readonly Endpoint[];
  /** How long one server may take for one answer. */
  patience: Millis;
  /** How often each server is asked. */
  rounds: number;
}>;

type Ground = Pick<Host, 'net' | 'clock' | 'random'>;
type Done = (response: Result<dns.Response>) => void;

/** At least one address. An address for a name is its own answer. */
export async function resolve(ground: Ground, options: Options, name: string, family: dns.Family): Promise<Result<readonly string[]>> {
  if (ip.parseAddress(name).ok) return ok([name]);
  const question = { name: dns.canonical(name), family };
  const asked = dns.encodeQuery(0, question);
  if (!asked.ok) return { ok: false, fault: under(name, asked.fault) };
  let last: Fault = fault('missing', '', 'no name server is known');
  for (let round = 0; round < options.rounds; round++) {
    for (const server of options.servers) {
      const answered = await ask(ground, options.patience, server, question);
      const found = answered.ok ? judge(question, answered.value) : answered;
      if (found.ok) return found;
      last = found.fault;
      if (last.code === 'missing') return { ok: false, fault: under(name, last) };
    }
  }
  return { ok: false, fault: under(name, last) };
}

/** How long a name server takes for what every one of them knows by itself (RFC 6761 §6.3); whatever it answers. */
export async function trip(ground: Ground, patience: Millis, server: Endpoint): Promise<Result<Millis>> {
  const begun = ground.clock.monotonic();
  const answered = await ask(ground, patience, server, { name: 'localhost', family: 4 });
  return answered.ok ? ok(millis(ground.clock.monotonic() - begun)) : answered;
}

function judge(question: dns.Question, response: dns.Response): Result<readonly string[]> {
  if (response.code === 3) return fail('missing', '', 'there is no such name');
  if (response.code !== 0) return fail('foreign', 'server', `answered with code ${response.code}`);
  return dns.addressesOf(question, response.answers);
}

/** Asks one server; by TCP again when the answer did not fit into a datagram. */
async function ask(ground: Ground, patience: Millis, server: Endpoint, question: dns.Question): Promise<Result<dns.Response>> {
  const [high = 0, low = 0] = ground.random(2);
  const id = (high << 8) | low;
  const query = dns.encodeQuery(id, question);
  if (!query.ok) return query;
  // Whoever does not see our packets has to guess id and port (RFC 5452).
  const isOurs = (r: dns.Response): boolean =>
    r.id === id && r.question !== null && r.question.name === question.name && r.question.family === question.family;
  const over = (transport: typeof byUdp): Promise<Result<dns.Response>> =>
    new Promise((settle) => transport(ground, patience, server, query.value, isOurs, settle));
  const answered = await over(byUdp);
  return answered.ok && answered.value.truncated ? over(byTcp) : answered;
}

function byUdp(
  { net, clock }: Ground,
  patience: Millis,
  server: Endpoint,
  query: Uint8Array,
  isOurs: (r: dns.Response) => boolean,
  done: Done,
): void {
  const finish: Done = (response) => {
    timer.cancel();
    if (bound.ok) bound.value.close();
    done(response);
  };
  const timer = clock.after(patience, () => finish(fail('timeout', server.address, `no answer within ${patience} ms`)));
  // The kernel picks a random port.
  const bound = net.bindUdp(
    { address: server.address.includes(':') ? '::' : '0.0.0.0', port: 0 },
    {
      received(bytes, from) {
        if (from.port !== server.port || !isSame(from.address, server.address)) return;
        const response = dns.decodeResponse(bytes);
        // What is not an answer to us may come from anybody: the true one can still come.
        if (response.ok && isOurs(response.value)) finish(response);
      },
      closed: (why) => finish({ ok: false, fault: why }),
    },
  );
  const sent = bound.ok ? bound.value.send(query, server) : bound;
  if (!sent.ok) finish(sent);
}

const isSame = (a: string, b: string): boolean => {
  const [one, other] = [ip.parseAddress(a), ip.parseAddress(b)];
  return one.ok && other.ok && ip.renderAddress(one.value) === ip.renderAddress(other.value);
};

function byTcp(
  { net, clock }: Ground,
  patience: Millis,
  server: Endpoint,
  query: Uint8Array,
  isOurs: (r: dns.Response) => boolean,
  done: Done,
): void {
  const held = writer.open(512);
  const finish: Done = (response) => {
    timer.cancel();
    stream.close();
    done(response);
  };
  const timer = clock.after(patience, () => finish(fail('timeout', server.address, `no answer by TCP within ${patience} ms`)));
  const stream = net.connectTcp(server, {
    opened() {
      // RFC 1035 §4.2.2: the length goes before the message.
      stream.write(Uint8Array.from([query.length >> 8, query.length & 0xff, ...query]));
    },
    received(bytes) {
      writer.bytes(held, bytes);
      if (held.at < 2) return;
      const end = 2 + held.view.getUint16(0);
      if (held.at < end) return;
      const response = dns.decodeResponse(writer.done(held).subarray(2, end));
      if (response.ok && !(isOurs(response.value) && !response.value.truncated))
        finish(fail('malformed', server.address, 'an answer by TCP to something else'));
      else finish(response);
    },
    ended: () => finish(fail('closed', server.address, 'ended before the answer was whole')),
    drained: () => undefined,
    closed: (why) => finish(why === null ? fail('closed', server.address, 'closed') : { ok: false, fault: why }),
  });
}

/** The name servers of a resolv.conf; libc too takes three. Lines that name none are left alone. */
export function serversIn(text: string): readonly Endpoint[] {
  const servers = text.split('\n').flatMap((line) => {
    const address = /^nameserver[ \t]+([^ \t#;]+)/.exec(line)?.[1];
    return address !== undefined && ip.parseAddress(address).ok ? [{ address, port: 53 }] : [];
  });
  return servers.slice(0, 3);
}

// The agent: the process with a network and without power. Here it is put together.

import './host/globals.ts';
import { connect } from './adapters/mqtt-link.ts';
import * as resolver from './adapters/resolver.ts';
import * as ubus from './adapters/ubus-client.ts';
import { millis } from './core/brand.ts';
import * as ip from './core/ip.ts';
import { type Fault, ok, type Result, text } from './core/result.ts';
import { version } from './core/version.ts';
import { host } from './host/quickjs.ts';
import { type Loop, start } from './loop.ts';
import { busOf, die } from './role.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as cbor from './wire/cbor.ts';
import * as sections from './wire/sections.ts';

let loop: Loop | null = null;
let object: ubus.Published | null = null;
const orphaned = (fault: Fault): void => (loop === null ? die(host, fault) : loop.happened({ kind: 'orphaned', fault }));

const opened = await ubus.open(host, {
  ...busOf(host),
  // A jailed process could not open the socket again: procd starts a new one.
  whenLost: 'end',
  lost: orphaned,
});
if (!opened.ok) die(host, opened.fault);
const bus = opened.value;

loop = start({
  host,
  version,
  async settings() {
    const answer = await bus.call('weir.enforcer', 'settings', [], millis(10_000));
    return answer.ok ? sections.parse(answer.value) : { ok: false, faults: [answer.fault] };
  },
  resolve,
  connect: (options, events) => connect(host, options, events),
  tell(link, broker) {
    const told = object?.notify('link', blobmsg.table({ link: blobmsg.string(link), broker: blobmsg.string(broker) }));
    if (told?.ok === false) host.log(text(told.fault));
  },
  encode: cbor.encode,
});
const { happened, status } = loop;

for (const signal of ['SIGTERM', 'SIGINT'] as const) host.process.onSignal(signal, () => happened({ kind: 'stopped', signal }));

const published = await bus.publish('weir', {
  status: { args: {}, run: () => ok(Object.entries(status()).map(([name, value]) => ({ name, value: blobmsg.string(value) }))) },
});
if (!published.ok) die(host, published.fault);
object = published.value;

/** The router's own servers, read anew: they change with the uplink. */
async function resolve(name: string): Promise<Result<readonly string[]>> {
  if (ip.parseAddress(name).ok) return ok([name]);
  // In its jail the init script says where the file behind that link is.
  const conf = host.files.read(host.process.env('RESOLV_CONF') ?? '/etc/resolv.conf', 65_536);
  if (!conf.ok) return conf;
  const options = { servers: resolver.serversIn(new TextDecoder().decode(conf.value)), patience: millis(3000), rounds: 2 };
  const [four, six] = [await resolver.resolve(host, options, name, 4), await resolver.resolve(host, options, name, 6)];
  if (!six.ok) return four;
  return ok([...new Set([...(four.ok ? four.value : []), ...six.value])]);
}

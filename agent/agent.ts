// The agent: the process with a network and without power. Here it is put together.

import './host/globals.ts';
import * as enforcer from './adapters/enforcer-client.ts';
import { connect } from './adapters/mqtt-link.ts';
import * as resolver from './adapters/resolver.ts';
import * as ubus from './adapters/ubus-client.ts';
import * as books from './book.ts';
import { millis, seconds } from './core/brand.ts';
import type { Tunnel } from './core/effect.ts';
import * as ip from './core/ip.ts';
import { type Fault, fail, ok, type Result, text } from './core/result.ts';
import type { Clock } from './core/serving.ts';
import type { Ceilings } from './core/settings.ts';
import { version } from './core/version.ts';
import { methods } from './desk.ts';
import * as hearings from './hearing.ts';
import { host } from './host/quickjs.ts';
import { type Loop, start } from './loop.ts';
import * as demand from './on-demand.ts';
import { busOf, die, isClockTold } from './role.ts';
import * as soundings from './sounding.ts';
import type { Tidings } from './tidings.ts';
import * as cose from './wire/cose.ts';
import * as owner from './wire/owner.ts';
import * as sections from './wire/sections.ts';
import * as strains from './wire/strain.ts';

let loop: Loop | null = null;
/** Where there is a broker. */
let tidings: Tidings | null = null;
let object: ubus.Published | null = null;
let ceilings: Ceilings | null = null;
const orphaned = (fault: Fault): void => (loop === null ? die(host, fault) : loop.happened({ kind: 'orphaned', fault }));

const opened = await ubus.open(host, {
  ...busOf(host),
  // A jailed process could not open the socket again: procd starts a new one.
  whenLost: 'end',
  lost: orphaned,
});
if (!opened.ok) die(host, opened.fault);
const bus = opened.value;

const clock = (): Clock => ({
  at: host.clock.monotonic(),
  wall: { at: seconds(Math.max(0, Math.floor(host.clock.wall() / 1000))), trust: isClockTold(host) ? 'network' : 'unknown' },
});
const folder = host.process.env('WEIR_FOLDER') ?? '/etc/weir/agent';
const book = books.open(host, folder, clock);
if (!book.ok) die(host, book.fault);

const hearing = hearings.open(host, bus.call, book.value.store, (event) => loop?.happened(event));
loop = start({
  ...book.value,
  host,
  version,
  wall: () => clock().wall,
  async ask() {
    const answer = await enforcer.ask(bus.call, 'settings', []);
    const told = answer.ok ? sections.parse(answer.value) : { ok: false as const, faults: [answer.fault] };
    if (!told.ok) return told;
    const known = await book.value.identify(bus);
    if (!known.ok) return { ok: false, faults: [known.fault] };
    ceilings = told.value.ceilings;
    if (told.value.settings.brokers.length > 0 && loop !== null) {
      tidings ??= (await demand.tidings()).open({ host, bus, book: book.value, loop, folder, id: known.value.id, clock, resolve });
      tidings.configure(told.value);
    }
    const { least } = book.value.store.state();
    const pinned = told.value.settings.coordinators.map(({ root, ...rest }) => {
      const id = cose.keyIdOf(root, host);
      return { ...rest, root, id, least: least.get(id) ?? 1 };
    });
    const tunnel = pinned.length === 0 ? null : await survey();
    return { ok: true, value: { ...told.value, id: known.value.id, pinned, tunnel } };
  },
  resolve,
  connect: (options, events) => connect(host, options, events),
  tell(event, body) {
    const told = object?.notify(event, owner.encodeText(body));
    if (told?.ok === false) host.log(text(told.fault));
  },
  async hear(message, whose) {
    if (message.topic === 'enrolled' && tidings !== null) return tidings.heard(message.payload, whose());
    const office = await demand.office();
    return office.hear(message, whose(), host);
  },
  survey,
  probe: async (order) =>
    tidings === null ? fail('missing', 'order', 'nothing is probed before there is a broker') : tidings.probe(order),
  async reboot() {
    const answer = await enforcer.ask(bus.call, 'reboot', []);
    return answer.ok ? ok({ kind: 'done' }) : answer;
  },
  read: () => enforcer.read(bus.call),
  order: (asked) => enforcer.order(bus.call, asked),
  attend: hearing.attend,
  show: hearing.show,
  tally: hearing.tally,
});
const { happened } = loop;

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  host.process.onSignal(signal, () => {
    tidings?.end();
    happened({ kind: 'stopped', signal });
  });

const published = await bus.publish(
  'weir',
  methods({ host, loop, book: book.value, clock, ceilings: () => ceilings, tidings: () => tidings }),
);
if (!published.ok) die(host, published.fault);
object = published.value;

soundings.start({
  clock: host.clock,
  async strain(delay) {
    const answer = await enforcer.ask(bus.call, 'strain', strains.encodeDelay(delay));
    return answer.ok ? strains.decodeServers(answer.value) : answer;
  },
  trip: (address) => resolver.trip(host, millis(1000), { address, port: 53 }),
});

async function survey(): Promise<Tunnel | null> {
  const office = await demand.office();
  return office.survey(bus.call);
}

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

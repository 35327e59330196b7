// What a node with a broker says of its own accord: how it does, and whose it is. Part of the agent's root, loaded where there is a broker:
// hands codecs and adapters to the sampler, the probes and the enrolment.

import './host/globals.ts';
import * as enforcer from './adapters/enforcer-client.ts';
import * as probes from './adapters/probe.ts';
import type { Bus } from './adapters/ubus-client.ts';
import type { Book } from './book.ts';
import * as boots from './core/boot.ts';
import type { Event } from './core/event.ts';
import { type Result, text, under } from './core/result.ts';
import * as samples from './core/sample.ts';
import type { Clock } from './core/serving.ts';
import type { Coordinator } from './core/settings.ts';
import { bootOf, type KeyId, trusts } from './core/signed.ts';
import type { Sample, Shown } from './core/telemetry.ts';
import { version } from './core/version.ts';
import * as enrolling from './enrolling.ts';
import type { Loop, Whose } from './loop.ts';
import type { Host } from './ports/host.ts';
import * as probing from './probing.ts';
import * as telling from './telling.ts';
import * as cbor from './wire/cbor.ts';
import * as cose from './wire/cose.ts';
import * as enrol from './wire/enrol.ts';
import * as form from './wire/form.ts';
import { over } from './wire/recall.ts';
import * as wire from './wire/sample.ts';
import type { Told } from './wire/sections.ts';
import { report } from './wire/telemetry.ts';

export type World = Readonly<{
  host: Host;
  bus: Bus;
  book: Book;
  loop: Pick<Loop, 'say' | 'status' | 'table'>;
  folder: string;
  id: KeyId;
  clock(): Clock;
  resolve(name: string): Promise<Result<readonly string[]>>;
}>;
export type Tidings = Readonly<{
  /** From now on so; settings are asked anew with each connection. */
  configure(told: Told): void;
  probe: probing.Probing['ordered'];
  heard(payload: Uint8Array, whose: Whose): Event;
  told(): Shown;
  enrolled(): readonly string[];
  /** Told to stop: the boot has ended in order. */
  end(): void;
}>;

const mode = 0o600;
const mostNote = 4096;

export function open({ host, bus, book, loop, folder, id: node, clock, resolve }: World): Tidings {
  const { files } = host;
  const luck = (): number => new DataView(host.random(4).buffer).getUint32(0) / 2 ** 32;
  const noteIn = (path: string): string => {
    const read = files.read(path, mostNote);
    return read.ok ? new TextDecoder().decode(read.value) : '';
  };
  const keep = (path: string, note: string): Result<void> => {
    const written = files.replace(path, new TextEncoder().encode(note), mode);
    return written.ok ? written : { ok: false, fault: under(path, written.fault) };
  };

  const paths = { boot: `${folder}/boot`, enrolled: `${folder}/enrolled` };
  const boot = boots.begin(bootOf(host.clock.bootId()), boots.parse(noteIn(paths.boot)));
  const mark = (note: boots.Note): void => {
    const kept = keep(paths.boot, boots.render(note));
    if (!kept.ok) host.log(text(kept.fault));
  };
  mark(boot);

  const probed = probing.open({ clock: host.clock, luck, resolve, measure: (goal) => probes.measure(host, goal) });
  let passed: samples.Passed | null = null;

  async function look(): Promise<Sample> {
    const facts = await enforcer.ask(bus.call, 'facts', []);
    const sessions = [...loop.table().values()];
    const ended = over(book.store.state()).map(({ session, last: { counted, gap } }) => ({ session, counted, gap }));
    passed = samples.pass(passed, [...ended, ...sessions.map(({ session, seen }) => ({ session, ...seen }))]);
    const { writes, bytes: written } = book.store.spent();
    return {
      version,
      ...(facts.ok && wire.decode(facts.value)),
      ...samples.sampleOf(sessions, passed),
      ...probed.found(),
      boot: boots.ends.indexOf(boot.before),
      clock: trusts.indexOf(clock().wall.trust),
      writes,
      written,
    };
  }

  const teller = telling.open({
    clock: host.clock,
    luck,
    look,
    encode: (told) => cbor.encode(report.write(told)),
    publish: (bytes) => loop.say('telemetry', bytes),
  });

  const enrolled = enrolling.open({
    clock: host.clock,
    isConnected: () => loop.status()['link'] === 'connected',
    async ask({ root, code }) {
      const known = await book.identify(bus);
      if (!known.ok) return known;
      const { signer } = known.value;
      const asked = { key: signer.key, epoch: book.epoch, starts: book.store.state().starts, root };
      return loop.say('enrol', enrol.ask(code, asked, signer, host));
    },
    recall: () => noteIn(paths.enrolled).split('\n'),
    keep: (marks) => keep(paths.enrolled, `${marks.join('\n')}\n`),
    log: host.log,
  });
  const claimOf = ({ root, claim: code }: Coordinator): readonly enrolling.Claim[] => {
    if (code === null) return [];
    const id = cose.keyIdOf(root, host);
    return [{ root: id, code, mark: enrol.markOf(code, id, host) }];
  };

  let last = '';
  return {
    configure({ settings: { coordinators }, telling: wanted }) {
      // Whoever tells, probes and asks goes on while the settings are what they were.
      const now = JSON.stringify([wanted, coordinators.map(({ root, claim }) => [form.hexOf(root), claim])]);
      if (now === last) return;
      last = now;
      teller.tell(wanted);
      probed.watch(wanted.probes);
      enrolled.claim(coordinators.flatMap(claimOf));
    },
    probe: probed.ordered,
    heard(payload, { ring, earliest }) {
      const signed = cose.decode(payload);
      if (!signed.ok) return { kind: 'misheard', fault: signed.fault };
      const taken = enrolled.heard((root) => enrol.readAnswer(signed.value, { node, epoch: book.epoch, root }, ring, earliest, host));
      return taken.ok ? { kind: 'enrolled', ...taken.value } : { kind: 'misheard', fault: taken.fault };
    },
    told: teller.told,
    enrolled: enrolled.status,
    end: () => mark({ ...boot, isOver: true }),
  };
}

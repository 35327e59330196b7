// The warden over a model of its ports: in which order it acts, and what it does when something fails half-way.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Request } from '../../agent/core/admission.ts';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import * as ledger from '../../agent/core/ledger.ts';
import * as pools from '../../agent/core/pool.ts';
import { type Fault, fail, ok, type Result } from '../../agent/core/result.ts';
import type { Generation, Held, Pair, PeerKey, Slot } from '../../agent/core/seat.ts';
import type { Section } from '../../agent/core/settings.ts';
import type { Uplink } from '../../agent/core/uplink.ts';
import { portable } from '../../agent/crypto/sha.ts';
import type { Crossed, PeerFound, Reading, RuleEvents, Statics } from '../../agent/ports/router.ts';
import type { Warden, World } from '../../agent/warden.ts';
import * as warden from '../../agent/warden.ts';
import { manual } from '../fakes/clock.ts';

const section = (name: string, options: Readonly<Record<string, string | readonly string[]>>): Section => ({
  name,
  type: name,
  options: new Map(Object.entries(options)),
});
const shared = (more: Readonly<Record<string, string | readonly string[]>> = {}): readonly Section[] => [
  section('share', { accepted: '1' }),
  section('tunnel', { pool6: 'fd00:64::/64' }),
  section('limits', more),
];
const none: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };
const key = (n: number): PeerKey => `${'ABCDEFGH'.charAt(n).repeat(42)}A=` as PeerKey;
const request = (n: number): Result<Request> =>
  ok({
    key: key(n),
    quota: { kind: 'shared', bytes: 1000n },
    rate: { up: 80_000n, down: 80_000n },
    throttle: null,
    egress: { kind: 'internet' },
    seconds: 60n,
    used: { up: 0n, down: 0n },
  });

type Model = Readonly<{
  it: Warden;
  /** What was asked of the ports, in order. */
  calls: string[];
  held: Map<Slot, Held>;
  peers: Map<PeerKey, PeerFound>;
  slotOf(key: PeerKey): Slot | undefined;
  /** The next call of this name fails so. */
  failing: Map<string, Fault>;
  settings: { sections: readonly Section[]; timezone: string };
  files: Map<string, string>;
  lines: readonly string[];
  passing(ms: number): Promise<void>;
  calm(): Promise<void>;
  rulesGone(): void;
  rulesChanged(): void;
  spent(): void;
  /** What the uplinks' own counters say; null: none is there. */
  line: { cards: Crossed | null };
  /** Of the month, by the kernel's counter. */
  use(bytes: bigint): void;
  /** The month's quota that the rules were loaded with. */
  given(): bigint;
  /** What may still pass. */
  room(): bigint;
}>;

async function begin(prepared: (statics: Statics) => Result<'owned'> = () => ok('owned'), uplinks: readonly Uplink[] = []): Promise<Model> {
  const clock = manual();
  const calls: string[] = [];
  const held = new Map<Slot, Held>();
  const peers = new Map<PeerKey, PeerFound>();
  const failing = new Map<string, Fault>();
  const settings: Model['settings'] = { sections: shared(), timezone: 'CET-1' };
  const line: Model['line'] = { cards: null };
  const files = new Map([['/etc/passwd', 'weir:x:453:453::/:/bin/false\n']]);
  const lines: string[] = [];
  let events: RuleEvents | null = null;
  let generation = 0;
  let node = 0n as ByteCount;
  let most = 0n as ByteCount;
  let given = 0n;
  const done = ok(undefined);

  /** Takes a moment, as the kernel does, so that what is not serial shows. */
  async function asked<T>(name: string, answer: () => Result<T>): Promise<Result<T>> {
    calls.push(name);
    await Promise.resolve();
    const why = failing.get(name);
    failing.delete(name);
    return why === undefined ? answer() : { ok: false, fault: why };
  }
  const reading = (): Reading => ({
    held: new Map([...held].map(([slot, h]) => [slot, { ...h, key: [...peers.values()].find((p) => slotOf(p) === slot)?.key ?? null }])),
    strays: [...peers.values()].filter((p) => !held.has(slotOf(p))).map((p) => p.key),
    line: none,
    node,
    merged: 0n,
    spare: new Map(),
    debris: [],
  });
  const slots = new Map<PeerKey, Slot>();
  const slotOf = (p: PeerFound): Slot => slots.get(p.key) as Slot;

  const world: World = {
    host: {
      clock,
      random: (size) => new Uint8Array(size),
      sha256: portable.sha256,
      log: (line) => void lines.push(line),
      files: {
        read: (path) => {
          const text = files.get(path);
          return text === undefined ? fail('ENOENT', path, 'no such file') : ok(new TextEncoder().encode(text));
        },
        replace: (path, bytes) => {
          const why = failing.get('replace');
          if (why !== undefined) return { ok: false, fault: why };
          files.set(path, new TextDecoder().decode(bytes));
          return done;
        },
        remove: (path) => (files.delete(path) ? done : fail('ENOENT', path, 'no such file')),
      },
    },
    rules: {
      prepare: (statics) => asked('prepare', () => prepared(statics)),
      read: () => asked('read', () => ok(reading())),
      meter: () => asked('meter', () => ok({ sessions: new Map(held), line: none, node: node < most ? node : most, merged: 0n })),
      charged: () => asked('charged', () => ok(node < most ? node : most)),
      check: (text) => asked('check', () => (text === 'cannot' ? fail('foreign', 'nft', 'no') : done)),
      allow: (bytes) =>
        asked(`allow ${bytes}`, () => {
          most = bytes;
          return done;
        }),
      passed: async () => ok(0n as ByteCount),
      dropped: async () => ok({ refused: 3n, spent: 4n }),
      pace: async () => done,
      sweep: () => asked('sweep', () => done),
      detour: async () => done,
      remove: () => asked('remove', () => done),
      apply: (step) =>
        asked(step.kind, () => {
          if (step.kind === 'clear') held.delete(step.held.slot);
          else if (step.kind === 'seat') {
            const { slot, terms, used, packets = { up: 0n, down: 0n } } = step.seat;
            held.set(slot, { key: null, slot, generation: ++generation as Generation, terms, counted: used, packets, left: step.left });
          } else {
            const left = step.changes.find((c) => c.kind === 'set-end');
            if (left?.kind === 'set-end') held.set(step.held.slot, { ...step.held, left: left.left });
          }
          return done;
        }),
      watch(told) {
        events = told;
        return done;
      },
    },
    tunnel: {
      prepare: () => asked('tunnel', () => ok({ by: 'kernel', key: key(7) })),
      read: () => asked('peers', () => ok([...peers.values()])),
      apply: (steps, pool) =>
        asked(steps.map((s) => s.kind).join(), () => {
          for (const step of steps) {
            if (step.kind === 'expel') peers.delete(step.key);
            else {
              slots.set(step.key, step.slot);
              const { four, six } = pools.addresses(pool, step.slot);
              const allowed = [four, six].map((address) => ({ address, length: 8 * address.length }));
              peers.set(step.key, { key: step.key, allowed, endpoint: null, handshake: null, counted: none });
            }
          }
          return done;
        }),
    },
    routes: {
      makeDevice: () => asked('device', () => ok(5)),
      removeDevice: (name) =>
        asked(`no ${name}`, () => {
          if (name === 'weir0') peers.clear();
          return done;
        }),
      read: () => asked('around', () => ok({ links: [], addresses: [], routes: [] })),
      traffic: (devices) =>
        asked(`traffic ${devices}`, () => (line.cards === null ? fail('missing', 'uplink', 'there is none') : ok(line.cards))),
      keep: () => asked('guard', () => done),
      release: () => asked('no guard', () => done),
      address: async () => done,
      stow: async () => done,
      watch: () => done,
    },
    canary: () => asked('canary', () => ok({ versions: [4, 6], used: 0n as ByteCount })),
    estate: {
      settings: async () => ok(settings.sections),
      system: async () => ok([{ name: 'cfg', type: 'system', options: new Map([['timezone', settings.timezone]]) }]),
      set: async () => done,
      state: async () => ok({ kind: 'present' }),
      setup: async () => ok(true),
      teardown: async () => ok(true),
    },
    home: async () => ({
      keep: (sharing) => asked(sharing === null ? 'no pace' : `pace ${sharing.line.headroom}`, () => done),
      strain: () => ok(true),
      rate: () => null,
    }),
    uplinks: {
      async watch(_, told) {
        told(ok(uplinks));
        return ok({ stop: async () => undefined });
      },
    },
    render(_, s) {
      given = s.quota;
      return ok(`${s.canCountConnections ? 'all' : 'most'} ${s.owner.limits.sessions}`);
    },
    countersignPort: 4720,
    capabilities: [
      { what: 'this', mend: 'install this', text: 'can' },
      { what: 'that', mend: 'install that', text: 'cannot' },
    ],
    folder: '/weir',
  };
  const it = warden.start(world);
  const calm = async (): Promise<void> => {
    for (let last = -1; last !== calls.length; ) {
      last = calls.length;
      for (let n = 0; n < 50; n++) await Promise.resolve();
    }
  };
  await calm();
  return {
    it,
    calls,
    held,
    peers,
    slotOf: (k) => slots.get(k),
    failing,
    settings,
    files,
    lines,
    line,
    calm,
    async passing(ms) {
      clock.advance(millis(ms));
      await calm();
    },
    rulesGone() {
      held.clear();
      events?.gone();
    },
    rulesChanged: () => events?.stale(),
    spent: () => events?.spent(),
    use(bytes) {
      node = (node + bytes) as ByteCount;
    },
    given: () => given,
    room: () => most - node,
  };
}

const actions = (m: Model): readonly string[] => m.calls.filter((c) => !/^(read|peers|around|check|meter|charged|allow)/.test(c));
const anew = (m: Model): void => void m.calls.splice(0);
const why = (m: Model): string => m.it.state().why?.path ?? 'shares';
const faultOf = (items: readonly Result<unknown>[]): string | undefined => items.flatMap((i) => (i.ok ? [] : [i.fault.code]))[0];

const order = suite('order');
order('the guard before the rules, the rules before the peers', async () => {
  const m = await begin();
  assert.equal([why(m), actions(m)], ['shares', ['device', 'guard', 'prepare', 'tunnel', 'canary']]);
  anew(m);
  assert.is(faultOf(await m.it.admit([request(0)])), undefined);
  assert.equal(actions(m), ['seat', 'welcome']);
  anew(m);
  assert.is(faultOf(await m.it.evict([ok({ key: key(0) })])), undefined);
  assert.equal(actions(m), ['expel', 'clear']);
});
order('the counters of who goes are read between peer and rules', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  anew(m);
  await m.it.evict([ok({ key: key(0) })]);
  assert.match(m.calls.join(), /expel,meter,clear/);
});
order('one command after the other', async () => {
  const m = await begin();
  anew(m);
  await Promise.all([m.it.admit([request(0)]), m.it.admit([request(1)])]);
  assert.equal(actions(m), ['seat', 'welcome', 'seat', 'welcome']);
  assert.is(m.peers.size, 2);
});
order('rules gone: out first, then rules, then seats, then peers', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  anew(m);
  m.rulesGone();
  await m.calm();
  assert.equal(actions(m), ['expel', 'device', 'guard', 'prepare', 'tunnel', 'canary', 'seat', 'welcome']);
  assert.equal([m.held.size, m.peers.size], [1, 1]);
});
order('rules gone while it was about to look anyway: nobody is out for longer than that', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  m.it.changed();
  m.rulesGone();
  await m.calm();
  assert.equal([m.held.size, m.peers.size], [1, 1]);
});
order('the owner says no: out, and the device with them; yes again lets nobody back in', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  anew(m);
  m.settings.sections = [section('share', { accepted: '0' })];
  m.it.changed();
  await m.calm();
  assert.equal([why(m), actions(m)], ['weir.share.accepted', ['expel', 'no weir0', 'no weirc0']]);
  assert.is(faultOf(await m.it.admit([request(1)])), 'denied');
  m.settings.sections = shared();
  m.it.changed();
  await m.calm();
  assert.equal([why(m), m.held.size, m.peers.size], ['shares', 0, 0]);
});
order('all is read once; then only what cannot be known, until somebody else has been there', async () => {
  const m = await begin();
  const reads = (): number => m.calls.filter((c) => c === 'read').length;
  const first = reads();
  await m.it.admit([request(0)]);
  await m.it.renew([ok({ key: key(0), seconds: 50n })]);
  await m.it.evict([ok({ key: key(0) })]);
  await m.it.admit([request(1)]);
  await m.passing(10_000);
  assert.is(reads(), first);
  m.rulesChanged();
  await m.calm();
  assert.is(reads(), first + 1);
  // A peer that somebody took away, or brought.
  m.peers.delete(key(1));
  await m.passing(10_000);
  assert.is(reads(), first + 2);
  await m.it.admit([request(2)]);
  assert.is(m.peers.size, 2);
  m.peers.set(key(3), { key: key(3), allowed: [], endpoint: null, handshake: null, counted: none });
  await m.it.evict([ok({ key: key(2) })]);
  assert.equal([...m.peers.keys()], [key(1)]);
  const before = reads();
  for (let n = 0; n < 30; n++) await m.passing(10_000);
  assert.ok(reads() > before);
});
order('the hours of the owner: out with the minute, and in again when it opens', async () => {
  // It is Wednesday, 12:06:40 in Central Europe.
  const m = await begin();
  m.settings.sections = shared({ schedule: ['wed 12:00-12:10', 'wed 12:15-12:20'] });
  m.it.changed();
  await m.calm();
  await m.it.admit([request(0)]);
  await m.passing(199_000);
  assert.equal([m.it.state().why, m.peers.size], [null, 1]);
  anew(m);
  await m.passing(1000);
  assert.equal([m.it.state().why?.path, actions(m)], ['weir.limits.schedule', ['expel', 'clear']]);
  assert.is(faultOf(await m.it.admit([request(0)])), 'denied');
  await m.passing(300_000);
  assert.equal([m.it.state().why, faultOf(await m.it.admit([request(0)]))], [null, undefined]);
  // Further east it is later.
  m.settings.timezone = 'EET-2';
  m.it.changed();
  await m.calm();
  assert.equal([m.it.state().why?.path, m.peers.size], ['weir.limits.schedule', 0]);
  m.settings.timezone = 'Europe/Berlin';
  m.settings.sections = shared({ schedule: 'wed 12:00-13:00' });
  m.it.changed();
  await m.calm();
  assert.ok(m.it.state().faults.some((f) => f.path === 'system.timezone'));
});
order('home first: guests have a rate before they can come in, and none when nothing is shared', async () => {
  const m = await begin();
  assert.equal(m.it.strain(null), ok([]));
  m.settings.sections = shared({ link_up: '1000', link_down: '2000', sessions: '7' });
  anew(m);
  m.it.changed();
  await m.calm();
  await m.it.admit([request(0)]);
  assert.equal(actions(m), ['device', 'guard', 'prepare', 'tunnel', 'pace 10', 'canary', 'seat', 'welcome']);
  // Nothing but the headroom is new.
  m.settings.sections = shared({ link_up: '1000', link_down: '2000', headroom: '20', sessions: '7' });
  anew(m);
  m.it.changed();
  await m.calm();
  assert.equal(actions(m), ['pace 20']);
  m.settings.sections = shared({ link_up: '1000', link_down: '2000', home_first: '0', sessions: '7' });
  anew(m);
  m.it.changed();
  await m.calm();
  assert.equal(actions(m), ['no pace']);
});
order('what is spent is looked at once, and at once', async () => {
  const m = await begin();
  anew(m);
  m.spent();
  m.spent();
  await m.calm();
  assert.is(m.calls.filter((c) => c === 'meter').length, 1);
});
order('a part of the month ends while nobody tells: more is given out before', async () => {
  const m = await begin();
  m.settings.sections = shared({ monthly_cap: '40' });
  m.it.changed();
  await m.calm();
  await m.it.admit([request(0)]);
  const step = 5n << 20n;
  assert.is(m.room(), step);
  for (let n = 1; n <= 80; n++) {
    m.use(step / 10n);
    await m.passing(50);
    assert.ok(n > 70 || m.room() >= step / 2n - step / 10n, `${m.room()} bytes are left after ${n}`);
  }
  assert.is(m.room(), 0n);
  // Nothing is left to give out.
  anew(m);
  await m.passing(1000);
  assert.equal(m.calls, []);
});
order('where the household counts, the month is charged what only the cards have counted', async () => {
  const m = await begin();
  const cards = (source: string, packets: bigint): Crossed => ({
    source,
    up: 0n as ByteCount,
    down: (1514n * packets) as ByteCount,
    framing: (14n * packets) as ByteCount,
  });
  const charged: bigint[] = [];
  const passing = async (now: Crossed | null, household = '1'): Promise<void> => {
    m.line.cards = now;
    m.settings.sections = shared({ monthly_cap: '400', household });
    m.it.changed();
    await m.passing(10_000);
    charged.push(m.it.state().month?.used ?? -1n);
  };
  await passing(cards('5', 1000n));
  await passing(cards('5', 1010n));
  // Dialled in anew, down, up again; and then guests alone count.
  await passing(cards('6', 3n));
  await passing(cards('6', 5n));
  await passing(null);
  await passing(cards('6', 7n));
  await passing(cards('6', 9n), '0');
  assert.equal(charged, [0n, 15_000n, 15_000n, 18_000n, 18_000n, 18_000n, 18_000n]);
});
order('two networks of one device are one uplink', async () => {
  const network = { up: true, device: 'eth0', protocols: [], addresses: [], gateways: [], hasDefault: { v4: true, v6: true }, dns: [] };
  const m = await begin(
    () => ok('owned'),
    ['wan', 'wan6'].map((name) => ({ ...network, name })),
  );
  m.settings.sections = shared({ monthly_cap: '400', household: '1' });
  m.it.changed();
  await m.passing(10_000);
  assert.equal([...new Set(m.calls.filter((call) => call.startsWith('traffic')))], ['traffic eth0']);
});
order('the same settings again change nothing', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  anew(m);
  m.it.changed();
  await m.calm();
  assert.equal(actions(m), []);
});
order.run();

const broken = (code: Fault['code']): Fault => ({ code, path: 'model', reason: 'broken' });
const failures = suite('failures');
failures('a kernel that cannot count connections is served without', async () => {
  const m = await begin((s) => (s.text.startsWith('most') ? ok('owned') : fail('foreign', 'nft', 'no ct count')));
  assert.equal([why(m), m.it.state().canCountConnections], ['shares', false]);
});
failures('one that cannot do what is needed is not, and told by name', async () => {
  const m = await begin(() => fail('foreign', 'nft', 'line 7'));
  assert.equal([why(m), m.it.state().why?.reason], ['that', 'cannot be done here: install that']);
  assert.is(faultOf(await m.it.admit([request(0)])), 'unsupported');
});
for (const call of ['device', 'guard', 'prepare', 'tunnel', 'canary'] as const)
  failures(`${call}: nothing is shared until it works`, async () => {
    const m = await begin();
    await m.it.admit([request(0)]);
    for (const name of [call, call]) m.failing.set(name, broken('EIO'));
    if (call === 'prepare') m.failing.set('check', broken('EIO'));
    m.settings.sections = shared({ sessions: '7' });
    m.it.changed();
    await m.calm();
    const isShut = why(m) !== 'shares';
    // A second try without counting connections may have worked.
    assert.ok(isShut ? m.peers.size === 0 : call === 'prepare');
    await m.passing(10_000);
    assert.equal([why(m), m.peers.size, m.held.size], ['shares', 1, 1]);
  });
failures('canary, because guests have used up meanwhile what was given out of the month: it flies again', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  anew(m);
  let flights = 0;
  const { get } = m.failing;
  m.failing.get = (name) => {
    if (name !== 'canary') return get.call(m.failing, name);
    flights += 1;
    m.use(m.room());
    return flights === 1 ? { code: 'foreign', path: 'canary.up4', reason: 'not counted' } : undefined;
  };
  m.settings.sections = shared({ sessions: '7', monthly_cap: '40' });
  m.it.changed();
  await m.calm();
  assert.equal([why(m), flights, m.peers.size], ['shares', 2, 1]);
});
for (const call of ['meter', 'peers', 'seat', 'welcome'] as const)
  failures(`${call} in a command: the answer is a Fault, and no peer is without rules`, async () => {
    const m = await begin();
    m.failing.set(call, broken('EIO'));
    assert.is(faultOf(await m.it.admit([request(0)])), 'EIO');
    assert.is(m.peers.size, 0);
    await m.calm();
    assert.equal([m.held.size, m.peers.size], [0, 0]);
    assert.is(faultOf(await m.it.admit([request(0)])), undefined);
    assert.is(m.peers.size, 1);
  });
const no = [section('share', { accepted: '1', paused: '1' })];
for (const { name, sections, calls } of [
  { name: 'it does not work', sections: shared({ sessions: '7' }), calls: ['device', 'expel'] },
  { name: 'the owner wants it no more', sections: no, calls: ['expel', 'no weir0'] },
])
  failures(`whoever cannot be expelled when ${name} is tried again`, async () => {
    const m = await begin();
    await m.it.admit([request(0)]);
    for (const call of calls) m.failing.set(call, broken('EBUSY'));
    m.settings.sections = sections;
    m.it.changed();
    await m.calm();
    assert.equal([why(m) === 'shares', m.peers.size], [false, 1]);
    // And still it does not work.
    m.failing.set('device', broken('EBUSY'));
    await m.passing(10_000);
    assert.equal([why(m) === 'shares', m.peers.size], [false, 0]);
  });
failures('who could not be cleared does not come back', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  m.failing.set('clear', broken('EBUSY'));
  assert.is(faultOf(await m.it.evict([ok({ key: key(0) })])), 'EBUSY');
  await m.calm();
  assert.equal([m.peers.size, m.held.size], [0, 0]);
});
failures('who is evicted while nothing works does not come back with it, and is billed', async () => {
  const m = await begin();
  await m.it.admit([request(0), request(1)]);
  for (const name of ['device', 'device']) m.failing.set(name, broken('EIO'));
  m.settings.sections = shared({ sessions: '7' });
  m.it.changed();
  await m.calm();
  assert.is(why(m), 'model');
  const [gone, again] = await m.it.evict([ok({ key: key(0) }), ok({ key: key(0) })]);
  assert.ok(gone?.ok && gone.value.counted.up === 0n);
  assert.is(again?.ok === false && again.fault.code, 'missing');
  await m.passing(10_000);
  assert.equal([why(m), [...m.peers.keys()]], ['shares', [key(1)]]);
});
failures('a counter that stays: nothing is shared, and the canary says which; it flies no more once it has come home', async () => {
  const m = await begin();
  const flights = (): number => m.calls.filter((c) => c === 'canary').length;
  await m.passing(20_000);
  assert.is(flights(), 1);
  m.failing.set('canary', { code: 'foreign', path: 'canary.up4', reason: 'not counted' });
  m.settings.sections = shared({ sessions: '7' });
  m.it.changed();
  await m.calm();
  assert.equal([why(m), m.it.state().proof], ['canary.up4', null]);
  await m.passing(10_000);
  assert.equal([why(m), m.it.state().proof?.versions, flights()], ['shares', [4, 6], 3]);
});
failures('what cannot be written down is not given out', async () => {
  const m = await begin();
  assert.ok(m.files.get('/weir/ledger')?.startsWith('weir ledger 1\n'));
  const n = await begin(() => ok('owned'));
  n.failing.set('replace', broken('ENOSPC'));
  n.files.delete('/weir/ledger');
  n.settings.sections = [section('share', { accepted: '0' })];
  n.it.changed();
  await n.calm();
  n.settings.sections = shared();
  anew(n);
  n.it.changed();
  await n.calm();
  assert.equal(
    n.calls.filter((c) => c.startsWith('allow')),
    [],
  );
  assert.ok(n.it.state().faults.some((f) => f.code === 'ENOSPC'));
});
failures('what cannot be written down is not given out with new rules either', async () => {
  const m = await begin();
  const step = ledger.stepOf((51_200n << 20n) as ByteCount);
  m.failing.set('replace', broken('ENOSPC'));
  m.use((step * 3n) / 4n);
  await m.passing(10_000);
  m.settings.sections = shared({ sessions: '7' });
  m.it.changed();
  await m.calm();
  assert.is(m.given(), step);
});
failures('trouble is told once, and remembered until it is settled', async () => {
  const m = await begin();
  m.failing.set('meter', broken('EIO'));
  await m.passing(10_000);
  assert.is(m.lines.filter((l) => /broken/.test(l)).length, 1);
  assert.is(why(m), 'shares');
});
failures.run();

const departed = suite('who is gone');
const pair = (n: number): Pair<ByteCount> => ({ up: BigInt(n) as ByteCount, down: BigInt(2 * n) as ByteCount });
/** What passed by the rules, or by WireGuard alone. */
function pass(m: Model, k: PeerKey, n: number, isCounted = true): void {
  const peer = m.peers.get(k);
  if (peer !== undefined) m.peers.set(k, { ...peer, counted: pair(n) });
  for (const [slot, h] of m.held) if (isCounted && slot === m.slotOf(k)) m.held.set(slot, { ...h, counted: pair(n), packets: pair(n) });
}
const told = (m: Model): readonly unknown[] =>
  m.it.departed().map(({ key: k, why, counted, packets }) => [k, why, counted.up, packets.down]);
const acknowledged = async (m: Model, n: number): Promise<unknown> => {
  const [gone] = await m.it.evict([ok({ key: key(n) })]);
  return gone?.ok ? gone.value.counted.up : gone?.fault.code;
};
departed('by lowered limits: with the last figures, until it is asked for', async () => {
  const m = await begin();
  await m.it.admit([request(0), request(1)]);
  for (const n of [0, 1]) pass(m, key(n), 5 + n);
  m.settings.sections = shared({ session_rate_up: '64' });
  m.it.changed();
  await m.calm();
  const want = [0, 1].map((n) => [key(n), 'limits', BigInt(5 + n), BigInt(10 + 2 * n)]);
  assert.equal([told(m), m.held.size], [want, 0]);
  assert.equal([await acknowledged(m, 0), await acknowledged(m, 0), told(m).length], [5n, 'missing', 1]);
});
departed('by the owner, and nothing is shared: told all the same', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  pass(m, key(0), 5);
  m.settings.sections = [section('share', { accepted: '1', paused: '1' })];
  m.it.changed();
  await m.calm();
  assert.equal(told(m), [[key(0), 'owner', 5n, 10n]]);
  assert.equal([await acknowledged(m, 0), told(m)], [5n, []]);
});
departed('nobody, while it does not work: they wait, and are told of as if they were in', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  pass(m, key(0), 5);
  await m.passing(10_000);
  for (const name of ['device', 'device']) m.failing.set(name, broken('EIO'));
  m.settings.sections = shared({ sessions: '7' });
  m.it.changed();
  await m.calm();
  assert.equal([why(m), m.peers.size], ['model', 0]);
  const rows = await m.it.rows();
  assert.equal(rows.ok && rows.value.map((r) => [r.key, r.counted.up, r.left]), [[key(0), 5n, 50_000]]);
  assert.equal(told(m), []);
});
departed('to make room', async () => {
  const m = await begin();
  m.settings.sections = shared({ sessions: '1' });
  m.it.changed();
  await m.it.admit([request(0)]);
  pass(m, key(0), 5);
  await m.passing(61_000);
  for (const [slot, h] of m.held) m.held.set(slot, { ...h, left: millis(0) });
  assert.is(faultOf(await m.it.admit([request(1)])), undefined);
  assert.equal(told(m), [[key(0), 'expired', 5n, 10n]]);
});
departed('an eviction that goes wrong half-way is answered when it is asked again', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  pass(m, key(0), 5);
  m.failing.set('clear', broken('EBUSY'));
  assert.is(await acknowledged(m, 0), 'EBUSY');
  assert.equal(told(m), [[key(0), 'asked', 5n, 10n]]);
  await m.calm();
  assert.equal([await acknowledged(m, 0), told(m)], [5n, []]);
});
departed('who was asked to go, or is in again, is not told of', async () => {
  const m = await begin();
  await m.it.admit([request(0)]);
  await acknowledged(m, 0);
  assert.equal(told(m), []);
  await m.it.admit([request(0)]);
  m.settings.sections = shared({ session_rate_up: '64' });
  m.it.changed();
  await m.calm();
  assert.is(told(m).length, 1);
  m.settings.sections = shared();
  m.it.changed();
  await m.it.admit([request(0)]);
  assert.equal(told(m), []);
});
departed('what passed while the rules were gone is told, and of no other session', async () => {
  const m = await begin();
  await m.it.admit([request(0), request(1)]);
  for (const n of [0, 1]) pass(m, key(n), 5);
  await m.passing(10_000);
  pass(m, key(0), 7, false);
  m.rulesGone();
  await m.calm();
  const rows = await m.it.rows();
  const figures = rows.ok ? rows.value.map(({ key: k, counted, packets, gap }) => [k, counted.up, packets.up, gap]) : [];
  assert.equal(figures.toSorted(), [
    [key(0), 5n, 5n, pair(2)],
    [key(1), 5n, 5n, pair(0)],
  ]);
  // Also when they go once more, and with the session.
  m.rulesGone();
  await m.calm();
  m.settings.sections = shared({ session_rate_up: '64' });
  m.it.changed();
  await m.calm();
  assert.equal(m.it.departed().find((d) => d.key === key(0))?.gap, pair(2));
});
departed('the newest thousand', async () => {
  const m = await begin();
  for (let n = 0; n < 1100; n++) {
    const name = `${n}`.padStart(42, 'A');
    const wish = request(0);
    await m.it.admit(wish.ok ? [ok({ ...wish.value, key: `${name}A=` })] : []);
    m.failing.set('clear', broken('EBUSY'));
    await m.it.evict([ok({ key: `${name}A=` })]);
    await m.calm();
  }
  const all = m.it.departed().map((d) => Number(d.key.slice(30, 42).replace(/^A+/, '')));
  assert.equal([all.length, all[0], all.at(-1)], [1024, 76, 1099]);
});
departed.run();

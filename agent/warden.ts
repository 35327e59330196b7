// The enforcer's loop: one thing at a time it reads the kernel, lets core decide, acts through ports that a root has wired, and looks again.
// `settle` is its one answer to everything that may have changed: it brings the router to where it should be, from wherever it is. The
// enforcer's only place that logs.

import type { Decision, Have } from './core/admission.ts';
import * as admission from './core/admission.ts';
import type { ByteCount, Millis } from './core/brand.ts';
import { millis } from './core/brand.ts';
import * as canary from './core/canary.ts';
import * as claim from './core/claim.ts';
import type { Lack } from './core/doctor.ts';
import type { Address, Prefix } from './core/ip.ts';
import * as ip from './core/ip.ts';
import type { Known } from './core/known.ts';
import * as knowns from './core/known.ts';
import type { Ledger } from './core/ledger.ts';
import * as ledger from './core/ledger.ts';
import * as pools from './core/pool.ts';
import type { Step } from './core/reconcile.ts';
import * as reconcile from './core/reconcile.ts';
import { type Fault, fail, fault, ok, type Result, text, under } from './core/result.ts';
import * as schedule from './core/schedule.ts';
import type { ByteRate, PeerKey, Seat } from './core/seat.ts';
import type { Departed, Gone, Reason, Row, Seated } from './core/session.ts';
import type { Section } from './core/settings.ts';
import * as settings from './core/settings.ts';
import type { Seen, Sight } from './core/sight.ts';
import * as sights from './core/sight.ts';
import type { Situation, Stand } from './core/standing.ts';
import * as standings from './core/standing.ts';
import type { Uplink } from './core/uplink.ts';
import type { Zone } from './core/zone.ts';
import * as zones from './core/zone.ts';
import type { Home } from './ports/home.ts';
import type { Files, Host, Timer } from './ports/host.ts';
import type {
  Canary,
  Crossed,
  Dropped,
  Estate,
  Hold,
  PeerFound,
  PeerStep,
  Proof,
  Reading,
  Routes,
  RuleStep,
  Rules,
  Tunnel,
  TunnelReady,
  Uplinks,
} from './ports/router.ts';

/** What the enforcer can ask of the world. */
export type World = Readonly<{
  host: Pick<Host, 'clock' | 'log' | 'random' | 'sha256'> & Readonly<{ files: Pick<Files, 'read' | 'replace' | 'remove'> }>;
  rules: Rules;
  tunnel: Tunnel;
  routes: Routes;
  canary: Canary;
  estate: Estate;
  uplinks: Uplinks;
  /** Made when the owner first wants it. */
  home(): Promise<Home>;
  /** The static rules as text. */
  render(device: string, s: Situation): Result<string>;
  countersignPort: number;
  /** What the rules need of a kernel, in pieces that can be checked. */
  capabilities: readonly (Lack & Readonly<{ text: string }>)[];
  /** A folder of our own. */
  folder: string;
}>;

type Items<T> = Promise<readonly Result<T>[]>;
export type State = Readonly<{
  /** null: it shares. */
  why: Fault | null;
  hold: Hold | null;
  tunnel: TunnelReady | null;
  port: number | null;
  /** Our own in the tunnel. */
  addresses: pools.Addresses | null;
  sessions: number;
  uplinks: readonly Uplink[];
  month: Readonly<{ used: ByteCount; today: ByteCount | null; cap: ByteCount | null }> | null;
  canCountConnections: boolean;
  /** Of all guests, where the household comes first. */
  rate: ByteRate | null;
  proof: Proof | null;
  /** To flash, since it began. */
  writes: number;
  faults: readonly Fault[];
}>;
export type Warden = Readonly<{
  admit(asked: readonly Result<admission.Request>[]): Items<Seated>;
  renew(asked: readonly Result<admission.Renewal>[]): Items<Seated>;
  change(asked: readonly Result<admission.Alteration>[]): Items<Seated>;
  evict(asked: readonly Result<admission.Eviction>[]): Items<Gone>;
  rows(): Promise<Result<readonly Row[]>>;
  /** Who went without an eviction's answer, the oldest first. */
  departed(): readonly Departed[];
  state(): State;
  lacks(): Promise<readonly Lack[]>;
  /** true: something had to be written. */
  setup(): Promise<Result<boolean>>;
  teardown(): Promise<Result<boolean>>;
  share(): Promise<Result<void>>;
  pause(): Promise<Result<void>>;
  /** A damaged ledger begins anew. */
  resume(): Promise<Result<void>>;
  /** How much slower than idle the line is, if somebody knows; answers whom to ask on, while guests use it. */
  strain(delay: Millis | null): Result<readonly Address[]>;
  /** null: nothing is enforced, or nobody can say. */
  dropped(): Promise<Dropped | null>;
  /** Settings may have changed. */
  changed(): void;
}>;

/** What a command has to know of the kernel. */
type Found = Pick<Reading, 'held' | 'strays' | 'line' | 'node' | 'merged' | 'debris'>;
type Place = Stand & Readonly<{ zone: Zone }>;
type Standing = Readonly<{ kind: 'closed'; why: Fault }> | (Place & Readonly<{ kind: 'open'; rules: admission.Rules }>);
/** `proof` null: the canary has not flown yet. */
type Raised = Readonly<{ shape: string; index: number; hold: Hold; ready: TunnelReady; canCountConnections: boolean; proof: Proof | null }>;

/** How often is counted, and tried again what did not work. */
const period = millis(10_000);
/** Between two looks at the month's quota. */
const leastAhead = 50;
const minute = 60_000;
/** Every so many times everything is read. */
const thorough = 30;
const done = ok(undefined);
/** An uplink that is down has no counters. */
const isAway = ({ code }: Fault): boolean => code === 'missing' || code === 'ENODEV';
const unlimited = (1n << 62n) as ByteCount;
const mostLedger = 4096;

export function start(world: World): Warden {
  const { host, rules, tunnel, routes, estate } = world;
  const { clock } = host;
  const paths = { key: `${world.folder}/key`, ledger: `${world.folder}/ledger` };

  let standing: Standing = { kind: 'closed', why: fault('missing', '', 'has only begun') };
  let raised: Raised | null = null;
  let known: Known | null = null;
  /** How often somebody else has changed what is known. */
  let surprises = 0;
  let sight: Sight = new Map();
  const departed = new Map<PeerKey, Departed>();
  let book: Readonly<{ file: Ledger | null; now: Ledger }> | null = null;
  let counters = standings.countersOf(clock.bootId(), null);
  let allowed: ByteCount | null = null;
  let uplinks: readonly Uplink[] = [];
  let watching: Readonly<{ names: string; stop(): Promise<void> }> | null = null;
  let isListening = false;
  let areRulesLost = false;
  let home: Home | null = null;
  let isAnew = true;
  /** Nobody is in, as far as we know. */
  let isEmpty = false;
  let isSettling = false;
  let ahead: Timer | null = null;
  let isChecking = false;
  /** By the owner's hours, when it was last settled. */
  let shut: Fault | null = null;
  let troubles: readonly Fault[] = [];
  let writes = 0;
  let turn: Promise<unknown> = Promise.resolve();

  /** One after the other, in the order asked for. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine;
    return mine;
  }
  function surprised(): void {
    known = null;
    surprises++;
  }
  function settleSoon(): void {
    if (isSettling) return;
    isSettling = true;
    void inTurn(settle);
  }
  const trouble = (f: Fault): void => {
    if (troubles.some((t) => t.path === f.path && t.reason === f.reason)) return;
    troubles = [...troubles, f].slice(-mostTroubles);
    host.log(`warden: ${text(f)}`);
  };

  // ── Where it should be ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async function settle(): Promise<void> {
    isSettling = false;
    troubles = [];
    const sections = await estate.settings();
    if (!sections.ok) return standing.kind === 'open' ? trouble(sections.fault) : close(sections.fault, false);
    const no = standings.refusal(sections.value);
    if (no !== null) return close(no, true);
    const stand = await standOn(sections.value);
    if (!stand.ok) {
      // A slip of the owner's pen ends nobody's session; what held before holds until it is mended.
      if (standing.kind === 'open' && stand.fault.code === 'malformed') return trouble(stand.fault);
      return close(stand.fault, stand.fault.code === 'missing');
    }
    const up = await raise(stand.value, sections.value);
    if (!up.ok) return close(up.fault, false);
    const kept = await keepHome(stand.value);
    if (!kept.ok) return close(kept.fault, false);
    const proven = await prove(up.value, stand.value);
    if (!proven.ok) return close(proven.fault, false);
    if (standing.kind === 'closed') isAnew = true;
    standing = { kind: 'open', ...stand.value, rules: admission.rules(stand.value.owner, stand.value.pool, up.value.ready.key) };
    shut = hoursOf(standing);
    const settled = await carryOut((r, have) => admission.adopt(r, have));
    if (!settled.ok) return close(settled.fault, false);
    if (isAnew) host.log(`warden: shares on ${claim.device} (${up.value.ready.by}), rules ${up.value.hold}, ${sight.size} sessions`);
    isAnew = false;
  }

  /** Networks of IPv4 and IPv6 may share one. */
  const devices = (): readonly string[] => [...new Set(uplinks.flatMap(({ device }) => (device === null ? [] : [device])))];

  /** Before the first guest, since without a rate none gets through. */
  async function keepHome({ owner: { limits: l } }: Stand): Promise<Result<void>> {
    if (l.home === null) return home === null ? done : home.keep(null);
    home ??= await world.home();
    return home.keep({ line: l.home, devices: devices(), isAnybodyIn: () => sight.size > 0 });
  }

  async function standOn(sections: readonly Section[]): Promise<Result<Place>> {
    const stand = standings.parse(sections);
    if (!stand.ok) return stand;
    const zone = await zoneOf(stand.value);
    if (!zone.ok) return zone;
    const place = ok({ ...stand.value, zone: zone.value });
    const state = await estate.state(planOf(stand.value));
    if (!state.ok) return standing.kind === 'open' ? place : state;
    const gone = standings.unclaimed(state.value);
    return gone === null ? place : { ok: false, fault: gone };
  }

  /** Who shares at all hours need not know what the time is. */
  async function zoneOf({ owner }: Stand): Promise<Result<Zone>> {
    if (owner.limits.schedule.spans.length === 0) return ok(zones.utc);
    const sections = await estate.system();
    return sections.ok ? zones.parseSystem(sections.value) : sections;
  }

  function minuteIn({ zone }: Place): number | null {
    const now = standings.today(clock.wall());
    return now === null ? null : schedule.minuteOf(now, zones.offsetAt(zone, now));
  }
  const hoursOf = (place: Place): Fault | null => admission.hours(place.owner.limits, minuteIn(place));

  const planOf = ({ owner: { tunnel: t }, pool }: Stand): claim.Plan => ({
    pool,
    listenPort: t.port,
    countersignPort: world.countersignPort,
    uplinks: t.uplinks,
  });

  /** Whoever is in is out. By the owner's wish for good; else until it works again. */
  async function close(why: Fault, isOwners: boolean): Promise<void> {
    const before = standing;
    const isSame = before.kind === 'closed' && text(before.why) === text(why);
    if (isSame && isEmpty) return;
    standing = { kind: 'closed', why };
    isEmpty = await expelAll();
    if (home !== null) await home.keep(null);
    raised = null;
    if (isOwners) isEmpty = await leave(before);
    if (!isSame) host.log(`warden: shares nothing: ${text(why)}`);
  }

  /** true: our devices are gone, and whoever was in with them. */
  async function leave(before: Standing): Promise<boolean> {
    // The last of the month that can be read.
    if (before.kind === 'open') await look(before);
    for (const seen of sight.values()) depart(goneOf(seen), 'owner');
    sight = new Map();
    const removed = [await routes.removeDevice(claim.device), await routes.removeDevice(canary.device)];
    // A host without netlink has never made one.
    const failed = removed.find((r) => !r.ok && r.fault.code !== 'unsupported');
    if (failed?.ok === false) trouble(failed.fault);
    const kept = book === null ? done : keepBook(ledger.settle(book.now));
    if (!kept.ok) trouble(kept.fault);
    book = null;
    return failed === undefined;
  }

  async function expelAll(): Promise<boolean> {
    const peers = await tunnel.read();
    if (!peers.ok || peers.value.length === 0) return peers.ok;
    // What they use from here on, if they cannot be expelled, is theirs; what they have used since the last look is charged.
    sight = sights.look(sight, { held: new Map(), strays: [] }, carriedBy(peers.value), clock.monotonic());
    const { pool } = standing.kind === 'open' ? standing : nowhere;
    const expelled = await tunnel.apply(
      peers.value.map(({ key }) => ({ kind: 'expel', key })),
      pool,
    );
    if (!expelled.ok) trouble(expelled.fault);
    return expelled.ok;
  }

  // ── Making it so ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The guard before the rules, and the rules before the peers. */
  async function raise(stand: Stand, sections: readonly Section[]): Promise<Result<Raised>> {
    const { owner, pool } = stand;
    const watched = await watchUplinks(owner.tunnel.uplinks);
    if (!watched.ok) return watched;
    const opened = openBook();
    if (!opened.ok) return opened;
    const agent = agentOf(sections);
    if (!agent.ok) return agent;
    const situation: Situation = { ...stand, uplinks: devices(), quota: unlimited, canCountConnections: true, agent: agent.value };
    const statics = world.render(claim.device, situation);
    if (!statics.ok) return statics;
    // The text itself is 12 KB.
    const shape = host.sha256(new TextEncoder().encode(statics.value)).join();
    if (raised?.shape === shape && !areRulesLost) return ok(raised);

    const listening = isListening ? done : listen();
    if (!listening.ok) return listening;
    if (areRulesLost) await expelAll();
    const index = await routes.makeDevice(claim.device, owner.tunnel.mtu);
    if (!index.ok) return index;
    const around = await routes.read();
    if (!around.ok) return around;
    const taken = standings.overlap(pool, claim.device, around.value.routes);
    if (taken !== null) return { ok: false, fault: taken };
    const guarded = await routes.keep({ device: claim.device, uplinks: situation.uplinks, open: owner.limits.allow });
    if (!guarded.ok) return guarded;
    const prepared = await prepare({ ...situation, quota: quotaOf(opened.value, owner) });
    if (!prepared.ok) return prepared;
    areRulesLost = false;
    known = null;
    allowed = null;
    const ready = await tunnel.prepare({ name: claim.device, index: index.value, port: owner.tunnel.port, keyPath: paths.key });
    if (!ready.ok) return ready;
    raised = { shape, index: index.value, ready: ready.value, ...prepared.value, proof: null };
    return ok(raised);
  }

  /** Before anybody is served by rules that are new. Once the month is spent nothing passes, the canary neither. */
  async function prove(up: Raised, stand: Place): Promise<Result<void>> {
    const looked = up.proof === null ? await look(stand) : null;
    if (looked === null || (looked.ok && looked.value.have.isMonthSpent)) return done;
    if (!looked.ok) return looked;
    const { pool, owner } = stand;
    const router = { key: up.ready.key, port: owner.tunnel.port };
    const proof = await world.canary({ pool, mtu: owner.tunnel.mtu, router });
    if (proof.ok) {
      raised = { ...up, proof: proof.value };
      // No byte of it has crossed the line.
      const charge = ({ last, ...l }: Ledger): Ledger => ({ ...l, last: { ...last, node: (last.node + proof.value.used) as ByteCount } });
      if (book !== null) book = { ...book, now: charge(book.now) };
      return done;
    }
    // What cannot be written down is not given out, to the canary neither.
    if (!looked.value.accounted.ok) return looked.value.accounted;
    // Guests may have used up meanwhile what was given out. That is no fault: more is, and it flies again; or the month is spent.
    const metered = await rules.meter();
    const isOut = metered.ok && metered.value.node !== null && allowed !== null && metered.value.node >= allowed;
    return isOut ? prove(up, stand) : proof;
  }

  /** A kernel may lack nft_connlimit, and everything else holds without. */
  async function prepare(s: Situation): Promise<Result<Pick<Raised, 'hold' | 'canCountConnections'>>> {
    const load = async (canCountConnections: boolean): Promise<Result<Hold>> => {
      const statics = world.render(claim.device, { ...s, canCountConnections });
      return statics.ok ? rules.prepare({ text: statics.value, device: claim.device, uplinks: s.uplinks, pool: s.pool }) : statics;
    };
    const all = await load(true);
    if (all.ok) return ok({ hold: all.value, canCountConnections: true });
    const most = await load(false);
    if (!most.ok) {
      const [first] = await lacks();
      return first === undefined ? all : fail('unsupported', first.what, `cannot be done here: ${first.mend}`);
    }
    trouble(fault('unsupported', 'connections', 'the kernel cannot count connections: install kmod-nft-connlimit'));
    return ok({ hold: most.value, canCountConnections: false });
  }

  async function lacks(): Promise<readonly Lack[]> {
    const missing: Lack[] = [];
    for (const capability of world.capabilities) {
      const checked = await rules.check(capability.text);
      // Without nft nobody can say what the kernel can do.
      if (!checked.ok && checked.fault.code !== 'foreign') return [noNft];
      if (!checked.ok) missing.push(capability);
    }
    return missing;
  }

  function listen(): Result<void> {
    isListening = true;
    const deaf = (why: Fault): void => {
      isListening = false;
      raised = null;
      trouble(why);
      settleSoon();
    };
    const heard = rules.watch({
      gone() {
        host.log('warden: somebody has deleted our rules');
        areRulesLost = true;
        surprised();
        isAnew = true;
        counters = standings.nextCounters(counters);
        // Before anything that waits for the bus: until then the guard alone holds them.
        void inTurn(async () => {
          // Who was about to settle has done so meanwhile, with everybody out first.
          if (areRulesLost) await expelAll();
        });
        settleSoon();
      },
      stale() {
        surprised();
        settleSoon();
      },
      spent() {
        if (isChecking) return;
        isChecking = true;
        void inTurn(async () => {
          isChecking = false;
          if (standing.kind === 'open') await check(standing);
        });
      },
      deaf,
    });
    if (!heard.ok) return heard;
    return routes.watch({
      changed() {
        if (standing.kind === 'closed') settleSoon();
      },
      gone() {
        if (standing.kind === 'closed') return;
        host.log(`warden: somebody has deleted ${claim.device}`);
        raised = null;
        isAnew = true;
        settleSoon();
      },
      failed: trouble,
      deaf,
    });
  }

  async function watchUplinks(names: readonly string[]): Promise<Result<void>> {
    const joined = names.join(' ');
    if (watching?.names === joined) return done;
    await watching?.stop();
    watching = null;
    let isFirst = true;
    const watch = await world.uplinks.watch(names, (told) => {
      if (told.ok) uplinks = told.value;
      else trouble(told.fault);
      if (!isFirst) settleSoon();
    });
    isFirst = false;
    if (!watch.ok) return watch;
    watching = { names: joined, stop: watch.value.stop };
    return done;
  }

  function agentOf(sections: readonly Section[]): Result<Situation['agent']> {
    const passwd = host.files.read('/etc/passwd', 1 << 20);
    if (!passwd.ok) return passwd;
    const uid = standings.uidOf(new TextDecoder().decode(passwd.value), 'weir');
    if (uid === null) return fail('missing', '/etc/passwd', 'there is no user weir');
    const parsed = settings.parse(sections);
    const brokers = parsed.ok ? standings.placesOf(parsed.value) : [];
    return ok({ uid, dns: [...loopback, ...uplinks.flatMap(({ dns }) => dns)], brokers });
  }

  // ── The month ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  function openBook(): Result<Ledger> {
    if (book !== null) return ok(book.now);
    const stored = host.files.read(paths.ledger, mostLedger);
    if (!stored.ok && stored.fault.code !== 'ENOENT') return stored;
    const zero = 0n as ByteCount;
    const read = stored.ok
      ? ledger.parse(new TextDecoder().decode(stored.value))
      : ok(ledger.begin({ generation: counters, line: zero, node: zero, missed: null }));
    if (!read.ok)
      return { ok: false, fault: { ...under(paths.ledger, read.fault), reason: `${read.fault.reason}; weir resume begins a new month` } };
    counters = standings.countersOf(clock.bootId(), read.value.last.generation);
    book = { file: stored.ok ? read.value : null, now: read.value };
    return read;
  }

  const quotaOf = (l: Ledger, { limits: { month } }: Stand['owner']): ByteCount =>
    (l.last.node + ledger.allowance(l, month.cap)) as ByteCount;

  function keepBook(now: Ledger): Result<void> {
    const file = book?.file ?? null;
    if (file === null || !ledger.isWritten(file, now)) {
      const written = host.files.replace(paths.ledger, new TextEncoder().encode(ledger.render(now)), 0o600);
      writes += 1;
      if (!written.ok) return written;
      book = { file: now, now };
    } else book = { file, now };
    return done;
  }

  /** Charges what was counted, and tells the kernel how much more may pass. The file is written first: it says at least what is used. */
  async function account({ line, node, merged }: Found, { owner }: Stand, cards: Crossed | null): Promise<Result<void>> {
    if (book === null || node === null) return done;
    const { month } = owner.limits;
    const counted = (line.up + line.down) as ByteCount;
    const ofCards = cards && { by: cards.source, bytes: cards.up + cards.down - cards.framing - counted };
    const now = { generation: counters, line: counted, node, missed: month.household ? ofCards : ledger.missedHeaders(merged) };
    const before = allowed ?? quotaOf(book.now, owner);
    // A ledger that is in no file yet begins where the counters are.
    const charged = book.file === null ? ledger.begin(now) : ledger.charge(book.now, now, month.household);
    const turned = ledger.turn(charged, standings.today(clock.wall()), month.resetDay);
    const written = keepBook(ledger.reserve(turned, month.cap));
    // What cannot be written down is not given out, with new rules neither: the kernel's quota stays, and ends the month for now.
    if (!written.ok) {
      book = { ...book, now: turned };
      return written;
    }
    const quota = quotaOf(book.now, owner);
    lookAhead(ledger.isLast(book.now, month.cap) ? null : quota - node);
    if (quota === allowed) return done;
    return node >= before && quota > before ? unveil(quota, owner) : allow(quota);
  }

  /** The kernel tells when the quota is spent, but up to 6.12 only with the next change of any rules; and TCP would stand still for each part
   *  of the month. So it is looked at in time, and more is given out when half of a part is left. */
  function lookAhead(left: bigint | null): void {
    ahead?.cancel();
    // Two gigabits in a second is as fast as it goes.
    ahead = left === null || sight.size === 0 ? null : clock.after(millis(Math.max(leastAhead, Number(left >> 19n))), ration);
  }
  const ration = (): void =>
    void inTurn(async () => {
      if (standing.kind === 'closed' || book === null || allowed === null) return;
      const node = await rules.charged();
      // What fails here fails when all is looked at, and is told then.
      if (!node.ok || node.value === null) return;
      const left = allowed - node.value;
      if (2n * left < allowed - book.now.last.node) await check(standing);
      else lookAhead(left);
    });

  async function allow(quota: ByteCount): Promise<Result<void>> {
    const told = await rules.allow(quota);
    if (told.ok) allowed = quota;
    return told;
  }

  /** A spent quota goes on counting what it refuses, and the kernel shows that only when it is raised: nothing of it was used. */
  async function unveil(quota: ByteCount, owner: Stand['owner']): Promise<Result<void>> {
    for (let most = quota; ; most = (2n * most) as ByteCount) {
      const raised = await allow(most);
      if (!raised.ok) return raised;
      const metered = await rules.meter();
      if (!metered.ok) return metered;
      const { node } = metered.value;
      if (book === null || node === null || most >= unlimited) return done;
      if (node >= most) continue;
      book = { ...book, now: { ...book.now, last: { ...book.now.last, node } } };
      return allow(quotaOf(book.now, owner));
    }
  }

  // ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  type Look = Readonly<{ reading: Found; peers: readonly PeerFound[]; have: Have; accounted: Result<void> }>;

  /** Only where what is known does not fit, all is read. */
  async function find(peers: readonly PeerFound[], { pool }: Stand): Promise<Result<Found>> {
    const [kept, before] = [known, surprises];
    known = null;
    if (kept !== null) {
      const metered = await rules.meter();
      if (!metered.ok) return metered;
      const { sessions, line, node, merged } = metered.value;
      const kernel = knowns.meet(kept, sessions, peers, pool, clock.monotonic());
      if (kernel !== null && before === surprises) {
        known = kept;
        return ok({ ...kernel, line, node, merged, debris: [] });
      }
    }
    const reading = await rules.read(peers);
    if (!reading.ok) return reading;
    const { strays, debris } = reading.value;
    if (strays.length + debris.length === 0 && before === surprises) known = knowns.begin(reading.value, clock.monotonic());
    return reading;
  }

  async function look(stand: Place): Promise<Result<Look>> {
    const peers = await tunnel.read();
    if (!peers.ok) return peers;
    // Before the rules: what passes in between is not taken for missed.
    const cards = stand.owner.limits.month.household ? await routes.traffic(devices()) : null;
    if (cards?.ok === false && !isAway(cards.fault)) trouble(cards.fault);
    const reading = await find(peers.value, stand);
    if (!reading.ok) return reading;
    const now = clock.monotonic();
    const seen = sights.look(sight, reading.value, carriedBy(peers.value), now);
    for (const slot of sights.disagreeing(sight, seen))
      trouble(fault('foreign', `slot ${slot}`, 'the rules have counted more than WireGuard has carried'));
    sight = seen;
    const accounted = await account(reading.value, stand, cards?.ok ? cards.value : null);
    if (!accounted.ok) trouble(accounted.fault);
    const isMonthSpent = book !== null && ledger.isSpent(book.now, stand.owner.limits.month.cap);
    const kernel = sights.whole(reading.value, sight, now);
    const have = { kernel, ended: sights.ended(sight, now), now, minute: minuteIn(stand), isMonthSpent };
    return ok({ reading: reading.value, peers: peers.value, have, accounted });
  }

  type Carried = Readonly<{ decision: Decision; gone: ReadonlyMap<PeerKey, Gone>; after: Look }>;

  /** Reads, decides, acts and reads again. */
  async function carryOut(decide: (r: admission.Rules, have: Have) => Decision): Promise<Result<Carried>> {
    if (standing.kind === 'closed') return { ok: false, fault: standing.why };
    const stand = standing;
    const before = await look(stand);
    if (!before.ok) return before;
    const { reading, have } = before.value;
    const decision = decide(stand.rules, have);
    const gone = new Map<PeerKey, Gone>();
    for (const { key, slot, generation, counted, packets } of decision.evicted)
      gone.set(key, { key, slot, generation, counted, packets, gap: gapOf(key) });
    const want = sights.withGaps(decision.want, sight);
    // Whoever goes is out of sight first: should anything fail now, nobody brings them back.
    sight = sights.without(sight, gone.keys());
    const steps = reconcile.plan(want, reading, have.now);
    const acted = await act(steps, reading, stand, gone);
    for (const { key, why } of decision.evicted) depart(gone.get(key), why);
    for (const key of decision.want.keys()) departed.delete(key);
    if (acted.ok) known = known === null ? null : knowns.after(known, steps, have.now);
    else {
      known = null;
      settleSoon();
      return acted;
    }
    const after = await look(stand);
    if (!after.ok) return after;
    const [left] = reconcile.plan(decision.want, after.value.reading, after.value.have.now).filter((s) => !isTrifle(s));
    return left === undefined
      ? ok({ decision, gone, after: after.value })
      : fail('foreign', left.kind, 'the kernel does not hold what it was told');
  }

  async function act(steps: readonly Step[], reading: Found, { pool }: Stand, gone: Map<PeerKey, Gone>): Promise<Result<void>> {
    const leaving: PeerStep[] = [];
    const arriving: PeerStep[] = [];
    const changing: RuleStep[] = [];
    for (const step of steps) {
      if (step.kind === 'expel') leaving.push(step);
      else if (step.kind === 'welcome') arriving.push(step);
      else changing.push(step);
    }
    const expelled = leaving.length === 0 ? done : await tunnel.apply(leaving, pool);
    if (!expelled.ok) return expelled;
    if (gone.size > 0) {
      // Until they were expelled, bytes went on passing.
      const last = await rules.meter();
      if (!last.ok) return last;
      for (const [key, one] of gone) {
        const metered = last.value.sessions.get(one.slot);
        if (metered?.generation === one.generation) gone.set(key, { ...one, counted: metered.counted, packets: metered.packets });
      }
    }
    if (reading.debris.length > 0) {
      trouble(fault('foreign', 'rules', `somebody has changed them: ${reading.debris.join('; ')}`.slice(0, 300)));
      const swept = await rules.sweep();
      if (!swept.ok) return swept;
    }
    for (const step of changing) {
      const applied = await rules.apply(step);
      if (!applied.ok) return applied;
    }
    return arriving.length === 0 ? done : tunnel.apply(arriving, pool);
  }

  async function command<A, T>(
    asked: readonly Result<A>[],
    decide: (r: admission.Rules, have: Have, asked: readonly Result<A>[]) => Decision,
    answer: (seat: Seat, carried: Carried) => Result<T>,
  ): Items<T> {
    const carried = await carryOut((r, have) => decide(r, have, asked));
    if (!carried.ok) return asked.map((one) => (one.ok ? carried : one));
    return carried.value.decision.answers.map((one) => (one.ok ? answer(one.value, carried.value) : one));
  }

  const gapOf = (key: PeerKey): Gone['gap'] => sight.get(key)?.gap ?? nothing;

  function depart(gone: Gone | undefined, why: Reason): void {
    if (gone === undefined) return;
    departed.delete(gone.key);
    departed.set(gone.key, { ...gone, why });
    for (const key of departed.keys()) if (departed.size > mostDeparted) departed.delete(key);
  }

  async function evict(asked: readonly Result<admission.Eviction>[]): Items<Gone> {
    const missing = fail('missing', 'key', 'no such session');
    // While nothing is shared, whoever waits to come back does so no more.
    const forget = (key: PeerKey): Result<Gone> => {
      const seen = sight.get(key);
      sight = sights.without(sight, [key]);
      return seen === undefined ? missing : ok(goneOf(seen));
    };
    const told =
      standing.kind === 'open'
        ? await command(asked, admission.evict, ({ key }, { gone }) => okOr(gone.get(key), missing))
        : asked.map((one) => (one.ok ? forget(one.value.key as PeerKey) : one));
    return told.map((item, i) => {
      const one = asked[i];
      const was = one?.ok && (item.ok || item.fault.code === 'missing') ? departed.get(one.value.key as PeerKey) : undefined;
      if (was === undefined) return item;
      departed.delete(was.key);
      return ok(was);
    });
  }

  const seated = (seat: Seat, { after }: Carried): Result<Seated> => {
    const held = after.reading.held.get(seat.slot);
    if (standing.kind === 'closed' || held?.key !== seat.key) return fail('foreign', 'key', 'somebody has removed it already');
    const { four, six } = pools.addresses(standing.pool, seat.slot);
    const { key, slot } = seat;
    return ok({ key, slot, generation: held.generation, address4: ip.renderAddress(four), address6: ip.renderAddress(six) });
  };

  async function rows(): Promise<Result<readonly Row[]>> {
    // Who waits to come back is told like who is in.
    if (standing.kind === 'closed') return ok([...sight.values()].map((seen) => waiting(seen, clock.monotonic())));
    const looked = await look(standing);
    if (!looked.ok) return looked;
    const byKey = new Map(looked.value.peers.map((peer) => [peer.key, peer]));
    return ok(
      [...looked.value.have.kernel.held.values()].map(({ key, slot, generation, counted, packets, terms, left }): Row => {
        const peer = key === null ? undefined : byKey.get(key);
        const { handshake = null, endpoint = null, counted: carried = nothing } = peer ?? {};
        const gap = key === null ? nothing : gapOf(key);
        const where = endpoint === null ? null : endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address;
        const told = where === null || endpoint === null ? null : `${where}:${endpoint.port}`;
        return { slot, generation, key, counted, packets, gap, quota: terms.quota, left, handshake, endpoint: told, tunnel: carried };
      }),
    );
  }

  // ── The owner's words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async function setup(): Promise<Result<boolean>> {
    const drawn = await drawPool();
    if (!drawn.ok) return drawn;
    const sections = await estate.settings();
    const stand = sections.ok ? standings.parse(sections.value) : sections;
    if (!stand.ok) return stand;
    const around = await routes.read();
    if (!around.ok) return around;
    const taken = standings.overlap(stand.value.pool, claim.device, around.value.routes);
    if (taken !== null) return { ok: false, fault: taken };
    const claimed = await estate.setup(planOf(stand.value));
    return claimed.ok ? ok(claimed.value || drawn.value) : claimed;
  }

  /** A private IPv6 prefix is drawn once and then written down. */
  async function drawPool(): Promise<Result<boolean>> {
    const sections = await estate.settings();
    if (!sections.ok) return sections;
    const parsed = settings.parseOwner(sections.value);
    if (!parsed.ok || parsed.value.tunnel.pool6 !== 'auto') return ok(false);
    const written = await estate.set('tunnel', { pool6: ip.renderPrefix(pools.localPrefix(host.random(5))) });
    return written.ok ? ok(true) : written;
  }

  async function teardown(): Promise<Result<boolean>> {
    await close(fault('denied', 'weir', 'torn down: weir setup begins anew'), true);
    for (const removed of [await rules.remove(), await routes.release()]) if (!removed.ok) return removed;
    return estate.teardown();
  }

  /** First the kernel, then the flash: a full one must not keep the owner from it. */
  async function pause(): Promise<Result<void>> {
    await close(fault('denied', 'weir.share.paused', 'the owner has paused sharing: weir resume'), true);
    return estate.set('share', { paused: '1' });
  }

  async function resume(): Promise<Result<void>> {
    if (book === null) {
      const opened = openBook();
      // Set aside, not thrown away: somebody may want to know what it said.
      if (!opened.ok && opened.fault.code !== 'malformed' && opened.fault.code !== 'unsupported') return opened;
      const removed = opened.ok ? done : host.files.remove(paths.ledger);
      if (!removed.ok) return removed;
    }
    return estate.set('share', { paused: '0' });
  }

  /** Whatever it did, the router goes where it should be now. */
  const owners = <T>(work: () => Promise<Result<T>>): Promise<Result<T>> =>
    inTurn(async () => {
      const result = await work();
      settleSoon();
      return result;
    });

  /** Hours begin and end with a minute. */
  function untilNext(): Millis {
    const isTimed = standing.kind === 'open' && standing.owner.limits.schedule.spans.length > 0;
    return isTimed ? millis(Math.min(period, minute - (clock.wall() % minute))) : period;
  }

  let ticks = 0;
  function tick(): void {
    void inTurn(async () => {
      clock.after(untilNext(), tick);
      if (standing.kind === 'closed') return settleSoon();
      const hours = hoursOf(standing);
      if ((hours === null) !== (shut === null)) {
        host.log(`warden: ${hours === null ? 'the owner shares at this hour' : `shares nothing: ${text(hours)}`}`);
        return settleSoon();
      }
      ticks++;
      if (ticks % thorough === 0) known = null;
      await check(standing);
    });
  }

  async function check(stand: Place): Promise<void> {
    const looked = await look(stand);
    if (!looked.ok) trouble(looked.fault);
    if (!looked.ok || (raised?.proof === null && !looked.value.have.isMonthSpent)) settleSoon();
  }

  settleSoon();
  clock.after(period, tick);

  return {
    admit: (asked) => inTurn(() => command(asked, admission.admit, seated)),
    renew: (asked) => inTurn(() => command(asked, admission.renew, seated)),
    change: (asked) => inTurn(() => command(asked, admission.change, seated)),
    evict: (asked) => inTurn(() => evict(asked)),
    rows: () => inTurn(rows),
    departed: () => [...departed.values()],
    state() {
      const cap = standing.kind === 'open' ? standing.owner.limits.month.cap : null;
      return {
        why: standing.kind === 'closed' ? standing.why : hoursOf(standing),
        hold: raised?.hold ?? null,
        tunnel: raised?.ready ?? null,
        port: standing.kind === 'open' ? standing.owner.tunnel.port : null,
        addresses: standing.kind === 'open' ? pools.router(standing.pool) : null,
        sessions: sight.size,
        uplinks,
        month: book === null ? null : { used: book.now.used, today: ledger.usedToday(book.now), cap },
        canCountConnections: raised?.canCountConnections ?? true,
        rate: home?.rate() ?? null,
        proof: raised?.proof ?? null,
        writes,
        faults: troubles,
      };
    },
    lacks,
    setup: () => owners(setup),
    teardown: () => owners(teardown),
    share: () => owners(() => estate.set('share', { accepted: '1', paused: '0' })),
    pause: () => owners(pause),
    resume: () => owners(resume),
    strain(delay) {
      if (home === null) return ok([]);
      const isBusy = home.strain(delay);
      return isBusy.ok ? ok(isBusy.value ? uplinks.flatMap(({ dns }) => dns) : []) : isBusy;
    },
    async dropped() {
      const counted = raised === null ? null : await inTurn(rules.dropped);
      return counted?.ok ? counted.value : null;
    },
    changed: settleSoon,
  };
}

const noNft: Lack = { what: 'rules (nft does not start)', mend: 'install the package nftables' };
const mostTroubles = 16;
const mostDeparted = 1024;
const nothing: Gone['gap'] = { up: 0n as ByteCount, down: 0n as ByteCount };
const waiting = (seen: Seen, now: Millis): Row => ({
  ...goneOf(seen),
  quota: seen.terms.quota,
  left: millis(Math.max(0, seen.ends - now)),
  handshake: null,
  endpoint: null,
  tunnel: seen.tunnel,
});
const goneOf = ({ key, slot, generation, used: counted, packets, gap }: Seen): Gone => ({ key, slot, generation, counted, packets, gap });
const nowhere: Readonly<{ pool: pools.Pool }> = {
  pool: { four: prefixOf('0.0.0.0/32'), six: prefixOf('::/128'), slots: 0 },
};

function prefixOf(literal: string): Prefix {
  const prefix = ip.parsePrefix(literal);
  if (!prefix.ok) throw new Error(`not a prefix: ${literal}`);
  return prefix.value;
}
const loopback = ['127.0.0.1/32', '::1/128'].map((literal) => prefixOf(literal).address);

const okOr = <T>(value: T | undefined, otherwise: Result<never>): Result<T> => (value === undefined ? otherwise : ok(value));

const carriedBy = (peers: readonly PeerFound[]): sights.Tunnelled => new Map(peers.map(({ key, counted }) => [key, counted]));

/** Ends are set anew when they are seconds off; the next command does it. */
const isTrifle = (s: Step): boolean => s.kind === 'alter' && s.changes.every((c) => c.kind === 'set-end');

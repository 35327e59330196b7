// What is wrong with this router, or will be, and how to mend it: symptoms → findings in words for its owner. Knows no way to find out.

import type { Version } from './canary.ts';
import type { Fault } from './result.ts';
import { text } from './result.ts';
import type { Uplink } from './uplink.ts';
import * as uplink from './uplink.ts';

/** good: as it should be. note: works, with a catch. bad: something does not work. */
export type Grade = 'good' | 'note' | 'bad';
export type Finding = Readonly<{ grade: Grade; about: string; says: string; mend: string }>;

export type Lack = Readonly<{ what: string; mend: string }>;
export type Symptoms = Readonly<{
  settings: readonly Fault[];
  /** Why nothing is shared; null: it is. */
  why: Fault | null;
  troubles: readonly Fault[];
  /** What the kernel cannot do. */
  lacks: readonly Lack[];
  hold: 'owned' | 'watched' | null;
  tunnel: 'kernel' | 'wireguard-go' | null;
  /** For which IP a throw-away guest moved every counter; null: none has tried. */
  proven: readonly Version[] | null;
  offload: 'none' | 'software' | 'hardware' | null;
  /** Somebody else has it. */
  takenPort: number | null;
  uplinks: readonly Uplink[];
  isHomeFirst: boolean;
  isClockSet: boolean;
  /** NTP has set it since the start. */
  isClockTold: boolean;
  /** Bytes left where the ledger is written; null: nobody knows. */
  flash: bigint | null;
}>;

const leastFlash = 262_144n;

export function examine(s: Symptoms): readonly Finding[] {
  return [
    ...s.settings.map((f) => bad('settings', text(f), `set it right in /etc/config/weir; every option is explained there`)),
    sharing(s.why),
    ...s.troubles.map((f) => note('trouble', text(f), 'look for it in logread -e weir')),
    ...s.lacks.map(({ what, mend }) => bad('kernel', `cannot do this: ${what}`, mend)),
    ...(s.lacks.length === 0 ? [good('kernel', 'can do all that is needed')] : []),
    ...rulesOf(s),
    ...(s.proven === null ? [] : [good('canary', `a throw-away guest moved every counter (${s.proven.map((v) => `IPv${v}`).join(', ')})`)]),
    ...offloadOf(s),
    ...(s.takenPort === null
      ? []
      : [bad('port', `another program has UDP port ${s.takenPort}`, 'choose another: uci set weir.tunnel.port=…; uci commit weir')]),
    ...s.uplinks.flatMap(uplinkOf),
    s.isHomeFirst
      ? good('home', 'comes first: sessions have what it leaves over')
      : note(
          'home',
          'does not come first: sessions may fill the line',
          'tell its speed in kbit/s: uci set weir.limits.link_up=…; uci set weir.limits.link_down=…; uci commit weir',
        ),
    clockOf(s),
    ...flashOf(s),
  ];
}

const good = (about: string, says: string): Finding => ({ grade: 'good', about, says, mend: '' });
const note = (about: string, says: string, mend: string): Finding => ({ grade: 'note', about, says, mend });
const bad = (about: string, says: string, mend: string): Finding => ({ grade: 'bad', about, says, mend });

function sharing(why: Fault | null): Finding {
  if (why === null) return good('sharing', 'this router shares');
  if (why.path.startsWith('canary.'))
    return bad('sharing', text(why), 'see whose rules, or offload, take packets of weir0: nft list ruleset');
  // The owner's own wish is no illness.
  return why.path.startsWith('weir.share.') || why.path === 'weir.limits.schedule'
    ? note('sharing', text(why), 'if you want to share')
    : bad('sharing', text(why), 'as said there');
}

function rulesOf({ hold, tunnel }: Symptoms): readonly Finding[] {
  return [
    ...(hold === 'owned' ? [good('rules', 'nobody else can change them')] : []),
    ...(hold === 'watched'
      ? [
          note(
            'rules',
            'others can delete them (kernel before 6.9); they are put back at once',
            'do not run: fw4 flush, service firewall stop',
          ),
        ]
      : []),
    ...(tunnel === 'wireguard-go'
      ? [note('tunnel', 'served by wireguard-go, which is slow on small routers', 'install kmod-wireguard')]
      : tunnel === 'kernel'
        ? [good('tunnel', 'served by the kernel')]
        : []),
  ];
}

function offloadOf({ offload }: Symptoms): readonly Finding[] {
  switch (offload) {
    case 'hardware':
      return [
        note(
          'offload',
          'hardware flow offload: the household is not counted, and guests may not be on every chip',
          'if counters stay behind, use software offload: uci set firewall.@defaults[0].flow_offloading_hw=0',
        ),
      ];
    case 'software':
      return [good('offload', 'software flow offload; guests are counted before it')];
    case 'none':
      return [good('offload', 'none')];
    case null:
      return [];
  }
}

const hints: Readonly<Record<uplink.Hint, readonly [says: string, mend: string]>> = {
  'carrier-nat': [
    'the provider translates its addresses (CGNAT): nobody can call it',
    'ask the provider for a public address, or use a coordinator with a relay',
  ],
  'private-address': ['is behind another router', "forward the tunnel's UDP port there, or put that router into bridge mode"],
  'shared-ipv4': [
    'has a shared IPv4 address (DS-Lite, MAP): only IPv6 can call it',
    'guests need IPv6; or ask the provider for an IPv4 address',
  ],
};

function uplinkOf(u: Uplink): readonly Finding[] {
  const about = `uplink ${u.name}`;
  if (!u.up) return [bad(about, 'is down', `ifup ${u.name}; or choose another in weir.tunnel.uplink`)];
  const noted = uplink.hints(u).map((hint) => note(about, ...hints[hint]));
  return noted.length > 0 ? noted : [good(about, `is up (${u.device ?? 'no device'})`)];
}

function clockOf({ isClockSet, isClockTold }: Symptoms): Finding {
  const mend = 'let the router reach an NTP server: /etc/init.d/sysntpd enable; /etc/init.d/sysntpd restart';
  if (isClockSet && isClockTold) return good('clock', 'is set, by NTP');
  return isClockSet
    ? note('clock', 'no NTP server has set it since the start: it may be slow', mend)
    : note('clock', 'not set since the start: no month begins or ends, and hours of sharing are those of weir.limits.when_unknown', mend);
}

/** `statuses`: what /proc says of every process. */
export function filterOf(statuses: readonly string[]): readonly Finding[] {
  const agent = statuses.find((s) => /^Name:\tweir$/m.test(s) && !/^Uid:\t0\t/m.test(s));
  if (agent === undefined) return [];
  return /^Seccomp:\t2$/m.test(agent)
    ? [good('seccomp', 'the agent may make few system calls')]
    : [
        note(
          'seccomp',
          'nothing keeps the agent from unusual system calls',
          'install procd-seccomp, and the package of Weir for this release: ujail gives a static binary no filter',
        ),
      ];
}

function flashOf({ flash }: Symptoms): readonly Finding[] {
  if (flash === null) return [];
  if (flash < leastFlash)
    return [bad('flash', `${flash / 1024n} KiB are left: the ledger may not fit`, 'remove packages or files from the overlay')];
  return [good('flash', `${flash / 1024n} KiB are left`)];
}

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
  /** null: the settings do not say. */
  isHomeFirst: boolean | null;
  /** Changes that were made in LuCI wait for a word. */
  isApplying: boolean;
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
    ...(s.settings.some((f) => s.why !== null && text(f) === text(s.why)) ? [] : [sharing(s.why)]),
    ...s.troubles.map(troubled),
    ...s.lacks.map(({ what, mend }) => bad('kernel', `cannot do this: ${what}`, mend)),
    ...(s.lacks.length === 0 ? [good('kernel', 'can do all that is needed')] : []),
    ...rulesOf(s),
    ...(s.proven === null ? [] : [good('canary', `a throw-away guest moved every counter (${s.proven.map((v) => `IPv${v}`).join(', ')})`)]),
    ...offloadOf(s),
    ...(s.takenPort === null
      ? []
      : [
          bad(
            'port',
            `another program has UDP port ${s.takenPort}`,
            'choose another: uci set weir.tunnel.port=51821; uci commit weir; weir setup',
          ),
        ]),
    ...s.uplinks.flatMap(uplinkOf),
    ...homeOf(s),
    ...(s.isApplying
      ? [note('LuCI', 'changes wait to be confirmed: until then Weir can write no setting', 'confirm or revert them (Save & Apply)')]
      : []),
    clockOf(s),
    ...flashOf(s),
  ];
}

const good = (about: string, says: string): Finding => ({ grade: 'good', about, says, mend: '' });
const note = (about: string, says: string, mend: string): Finding => ({ grade: 'note', about, says, mend });
const bad = (about: string, says: string, mend: string): Finding => ({ grade: 'bad', about, says, mend });

function sharing(why: Fault | null): Finding {
  if (why === null) return good('sharing', 'this router shares');
  // The owner's own wish is no illness.
  return why.path.startsWith('weir.share.') || why.path === 'weir.limits.schedule'
    ? note('sharing', text(why), 'if you want to share')
    : bad('sharing', text(why), remedyOf(why) ?? `as said there; ${look}`);
}

/** What has a remedy does not go away by itself. */
function troubled(f: Fault): Finding {
  const remedy = remedyOf(f);
  return remedy === null ? note('trouble', text(f), look) : bad('trouble', text(f), remedy);
}

const look = 'look for it in logread -e weir';
const remedies: readonly (readonly [sign: RegExp, mend: string])[] = [
  [/^canary\./, 'see whose rules, or offload, take packets of weir0: nft list ruleset'],
  [/cannot be done here/, 'as said below'],
  [/kmod-wireguard/, 'apk add kmod-wireguard (opkg install kmod-wireguard), then restart the router'],
  [/^uplink\./, 'choose one of these: uci set weir.tunnel.uplink=wan; uci commit weir; weir setup'],
  [/the section is not there/, 'weir setup, or LuCI: Set up anew'],
  [/\.ledger: /, 'weir resume'],
  [/^weir\.tunnel\.pool/, 'choose other addresses for guests: uci set weir.tunnel.pool4=10.77.0.0/22; uci commit weir; weir setup'],
  [/no user weir/, 'install the package weir again'],
  [/chmod 600/, 'chmod 600 and the name of that file, then /etc/init.d/weir restart'],
  [/\(EADDRINUSE\)$/, 'as said of the port'],
  [/\(EROFS\)$/, 'the flash can only be read: restart the router; if that does not help, its flash is worn out or its overlay broken'],
  [/\(ENOSPC\)$/, 'the flash is full: remove packages or files from the overlay'],
];
const remedyOf = (f: Fault): string | null => remedies.find(([sign]) => sign.test(text(f)))?.[1] ?? null;

function homeOf({ isHomeFirst }: Symptoms): readonly Finding[] {
  if (isHomeFirst === null) return [];
  return [
    isHomeFirst
      ? good('home', 'comes first: sessions have what it leaves over')
      : note(
          'home',
          'does not come first: sessions may fill the line',
          'tell its speed in kbit/s: uci set weir.limits.link_up=…; uci set weir.limits.link_down=…; uci commit weir',
        ),
  ];
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
  const another = 'or choose another in weir.tunnel.uplink';
  if (u.protocols.length === 0) return [bad(about, 'there is no such network', `make it in /etc/config/network, ${another}`)];
  if (!u.up) return [bad(about, 'is down', `look for its cable and modem, then ifup ${u.name}; ${another}`)];
  if (u.addresses.length === 0)
    return [bad(about, 'has no address', `see what the provider wants (LuCI: Network, Interfaces), ${another}`)];
  if (!u.hasDefault.v4 && !u.hasDefault.v6)
    return [bad(about, 'leads nowhere: it has no default route', `give it a gateway (LuCI: Network, Interfaces), ${another}`)];
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

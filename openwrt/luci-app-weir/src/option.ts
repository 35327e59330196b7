// A field for an option of /etc/config/weir, made of the agent's own rule for it: what may be written, what holds when nothing is. That each
// option has its name and its explanation here is for the compiler to see.

import * as ip from '../../../agent/core/ip.ts';
import type { Fault } from '../../../agent/core/result.ts';
import type { Group, Permission, Section } from '../../../agent/core/settings.ts';
import * as settings from '../../../agent/core/settings.ts';
import * as telemetry from '../../../agent/core/telemetry.ts';
import type { Field, Value } from './field.ts';
import * as f from './field.ts';
import { weekOf } from './hours.ts';
import type { Edit } from './router.ts';
import { grid } from './week.ts';

const { options } = settings;
type Options = typeof options;
/** Yes and no are not typed: they are the switch of the overview and the consent. */
export type Kind = Exclude<keyof Options, 'share'>;
export type Name<K extends Kind> = keyof Options[K] & string;

const words = (): { readonly [K in Kind]: { readonly [N in Name<K>]: readonly [label: string, help: string] } } => ({
  node: {
    id: [_('Name of this router'), _('At the broker. Without it, that of its key')],
    prefix: [_('Beginning of the topics'), _('Levels joined by /')],
  },
  broker: {
    host: [_('Broker'), _('Name or address of an MQTT broker')],
    port: [_('Port'), ''],
    version: [_('Version of MQTT'), ''],
    user: [_('User'), ''],
    password: [_('Password'), ''],
    keepalive: [_('Seconds of silence'), _('After which each side asks whether the other is there')],
    spread: [_('Spread in seconds'), _('Within which a fleet comes back, so that not all come at once')],
    tls: [_('TLS'), _('Without it only for a broker on this router or behind a tunnel')],
    authority: [_('Certificates to trust'), _('Path of a PEM file on this router')],
    pin: [_('Pin'), _('SHA-256 of the broker’s public key; with or without certificates')],
  },
  coordinator: {
    root: [_('Root key'), _('As the coordinator publishes it')],
    may: [_('What it may order'), _('Never more than your limits, and never about sessions of others')],
    claim: [_('Claim code'), _('By which this router becomes yours there, or your operator’s; CODE@ROOT brings the root key with it')],
  },
  telemetry: {
    period: [_('Seconds between two reports'), ''],
    leave_out: [_('Kept to yourself'), _('Accounts need none of it')],
  },
  probe: {
    kind: [_('Asked by'), _('UDP needs a server that sends back what it gets')],
    host: [_('Server'), ''],
    port: [_('Port'), ''],
    period: [_('Every so many seconds'), ''],
  },
  tunnel: {
    port: [_('UDP port'), _('Guests call this port; 4720 is taken')],
    pool4: [_('Guests’ IPv4 addresses'), _('A private range that this router reaches nowhere else')],
    pool6: [_('Guests’ IPv6 addresses'), _('auto: drawn once')],
    uplink: [_('Uplinks'), _('Interfaces that guests may use, one in a line')],
    mtu: [_('Largest packet'), _('80 bytes less than on the uplink')],
    endpoint: [
      _('Where guests call'),
      _('A name (dynamic DNS) or address, with the port where another one is forwarded here. Without it, the uplink’s address'),
    ],
  },
  limits: {
    rate_up: [_('Upload, kbit/s'), _('Of your line, for all guests together')],
    rate_down: [_('Download, kbit/s'), _('Of your line, for all guests together')],
    session_rate_up: [_('Upload, kbit/s'), _('That one session may be granted')],
    session_rate_down: [_('Download, kbit/s'), _('That one session may be granted')],
    session_quota: [_('Quota, MiB'), _('That one session may be granted')],
    session_seconds: [_('Seconds without the agent'), _('How long a session may go on while no agent renews it')],
    sessions: [_('Guests at a time'), ''],
    monthly_cap: [_('Monthly cap, MiB'), _('As your provider counts: a guest’s byte crosses your line twice. none: no cap')],
    reset_day: [_('Day of the month'), _('On which your provider begins to count anew')],
    household: [_('Count your own use'), _('Towards the monthly cap, too')],
    block_smtp: [_('Block mail'), _('Otherwise your address may soon be on a list of spammers')],
    deny: [_('Never to'), _('Addresses or prefixes, one in a line')],
    allow: [_('Private ranges allowed'), _('Such as a community’s mesh, one in a line; your own network never')],
    flows_session: [_('New connections a second, of one session'), ''],
    flows_all: [_('New connections a second, of all'), ''],
    connections_session: [_('Connections at a time, of one session'), ''],
    connections_all: [_('Connections at a time, of all'), ''],
    lower_effort: [_('Mark as less urgent'), _('Packets of guests (DSCP LE, RFC 8622)')],
    schedule: [_('Hours of sharing'), _('By this router’s clock and time zone. None: always. Outside of them everybody is out')],
    when_unknown: [_('While the time is not known'), _('Where there are such hours')],
    home_first: [_('Your household first'), _('Guests have what it leaves over. For this the speed of your line has to be known')],
    link_up: [_('Speed of your line, up, kbit/s'), _('Rather what a speed test finds than what is promised; both, or neither')],
    link_down: [_('Speed of your line, down, kbit/s'), ''],
    headroom: [_('Percent that stay empty'), _('So that nothing has to wait')],
  },
});

const mayBe = (): Readonly<Record<Permission, string>> => ({
  sessions: _('Begin, change and end its sessions'),
  limit: _('Lower the limits of its sessions'),
  probe: _('Measure the line once'),
  quarantine: _('End all its sessions, and let none begin'),
  restart: _('Start the agent anew'),
  move: _('Send this router to other brokers'),
  reboot: _('Start this router anew'),
});
const parts = (): Readonly<Record<Group, string>> => ({
  system: _('The router'),
  network: _('The line'),
  sharing: _('What is shared'),
  health: _('How Weir does'),
});
/** Each field of it by its name, from the agent's own table. */
const toldOf = (group: string): string =>
  Object.entries(telemetry.fields)
    .flatMap(([name, field]) => (field.group === group ? [field.unit === 'text' ? name : `${name} (${field.unit})`] : []))
    .join(', ');
const choicesOf = (name: string): readonly (readonly [string, string])[] =>
  name === 'may' ? Object.entries(mayBe()) : Object.entries(parts()).map(([group, says]) => [group, `${says}: ${toldOf(group)}`]);

type Rule = Readonly<{ want: string; standard?: unknown } & ({ read(text: string): unknown } | { each(text: string): unknown })>;

export const namesOf = (kind: Kind): readonly string[] => Object.keys(options[kind]);

/** As it would be written in the file. */
function written(value: unknown): Value {
  if (value === null || value === undefined) return '';
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (Array.isArray(value)) return value.map((item) => `${written(item)}`);
  return typeof value === 'object' ? ip.renderPrefix(value as ip.Prefix) : `${value}`;
}

/** Reads as nothing what is not set and was not changed from what holds anyway. */
export function fieldOf(kind: Kind, name: string, sections: readonly Section[], section: string = kind, isNeeded = false): Field {
  const rule = (options[kind] as Readonly<Record<string, Rule>>)[name];
  const [label, help] = (words()[kind] as Readonly<Record<string, readonly [string, string]>>)[name] ?? [name, ''];
  if (rule === undefined) throw new Error(`no option ${kind}.${name}`);
  const given = sections.find((s) => s.name === section)?.options.get(name);
  const standard = written(rule.standard);
  const parse = 'read' in rule ? rule.read : rule.each;
  const choices = / or /.test(rule.want) ? /^([\w.]+) or ([\w.]+)$/.exec(rule.want)?.slice(1) : undefined;
  const list = given === undefined ? [] : [given].flat();
  const isSome = rule.want.startsWith('one of ');
  const week = name === 'schedule' ? weekOf(list) : null;
  const widget =
    week !== null
      ? grid(week)
      : isSome
        ? f.some(given === undefined ? [standard].flat() : list, choicesOf(name))
        : 'each' in rule
          ? f.lines(list, [standard].flat().join('\n'))
          : rule.want === '1 or 0'
            ? f.ticked((given ?? standard) === '1')
            : choices !== undefined
              ? f.chosen(`${given ?? standard}`, standard === '' ? ['', ...choices] : choices)
              : f.typed(list.join(' '), `${standard}`, name === 'password' ? 'password' : 'text');
  const wrong = (text: string): string | null => (parse(text) === null ? `${_('expected')} ${_(rule.want)}` : null);
  // None of them cannot be written: what is not set is what holds anyway.
  const made = f.field({ name: `${section}-${name}`, label, help, wrong, isNeeded: isNeeded || (isSome && standard.length > 0) }, widget);
  const isUntouched = (value: Value): boolean =>
    (isSome || given === undefined) && `${[value].flat().join('\n')}` === [standard].flat().join('\n');
  return {
    node: made.node,
    read() {
      const value = made.read();
      return value !== null && isUntouched(value) ? '' : value;
    },
  };
}

/** As the config would be: what the agent says of it as a whole. */
export function faultsOf(sections: readonly Section[], edits: readonly Edit[]): readonly Fault[] {
  const changed = new Map(sections.map((s) => [s.name, s]));
  for (const { section: name, type, options } of edits) {
    const all = new Map([...(changed.get(name)?.options ?? []), ...(options ?? [])]);
    changed.set(name, { name, type, options: options === null ? new Map() : new Map([...all].filter(([, value]) => value.length > 0)) });
  }
  const after = [...changed.values()];
  const read = [settings.parse(after), settings.parseOwner(after), settings.parseTelling(after)];
  return read.flatMap((parsed) => (parsed.ok ? [] : parsed.faults));
}

// The owner's settings: UCI sections → typed values. Every option has one line below; what is not set takes the safe default named there,
// and what is set wrongly is a Fault that says where and how to mend it. Knows nothing of where the sections come from.

import { type Seconds, seconds } from './brand.ts';
import { type Fault, fault } from './result.ts';

/** A section of a UCI config: options are text, or a list of texts. */
export type Section = Readonly<{ name: string; type: string; options: ReadonlyMap<string, string | readonly string[]> }>;

export type Tls = Readonly<{ authority: string | null; pin: Uint8Array | null }>;
export type Broker = Readonly<{
  host: string;
  port: number;
  version: '5' | '3.1.1';
  user: string | null;
  password: string | null;
  tls: Tls | null;
  keepAlive: Seconds;
}>;
export type Settings = Readonly<{ node: Readonly<{ id: string; prefix: string }>; broker: Broker }>;
export type Parsed = Readonly<{ ok: true; value: Settings }> | Readonly<{ ok: false; faults: readonly Fault[] }>;

type Read<T> = (text: string) => T | null;
type Option<T> = Readonly<{ read: Read<T>; want: string; standard?: T | null }>;

const matching =
  <T extends string>(pattern: RegExp): Read<T> =>
  (text) =>
    pattern.test(text) ? (text as T) : null;
const whole =
  (least: number, most: number): Read<number> =>
  (text) =>
    /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null;
const truth: Read<boolean> = (text) => (text === '1' ? true : text === '0' ? false : null);
const digest: Read<Uint8Array> = (text) =>
  /^[0-9a-f]{64}$/.test(text) ? Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)) : null;

const credential = { read: matching(/^[^\0]{1,256}$/), want: '1 to 256 characters', standard: null };
const options = {
  node: {
    // It is a level of a topic: no separator, no wildcard.
    id: { read: matching(/^[A-Za-z0-9._-]{1,64}$/), want: '1 to 64 letters, digits, dots, dashes or underscores' },
    prefix: { read: matching(/^[A-Za-z0-9._-]{1,32}(\/[A-Za-z0-9._-]{1,32}){0,7}$/), want: 'topic levels joined by /', standard: 'weir' },
  },
  broker: {
    host: { read: matching(/^[A-Za-z0-9._:-]{1,253}$/), want: 'a host name or an address' },
    port: { read: whole(1, 65_535), want: 'a port, 1 to 65535', standard: 8883 },
    version: { read: matching<'5' | '3.1.1'>(/^(5|3\.1\.1)$/), want: '5 or 3.1.1', standard: '5' },
    user: credential,
    password: credential,
    keepalive: { read: whole(5, 3600), want: 'seconds, 5 to 3600', standard: 60 },
    tls: { read: truth, want: '1 or 0', standard: true },
    authority: { read: matching(/^\/.{1,255}$/), want: 'the absolute path of a PEM file', standard: null },
    pin: { read: digest, want: '64 hexadecimal digits in small letters', standard: null },
  },
} satisfies Record<string, Record<string, Option<unknown>>>;

type SectionName = keyof typeof options;
type ValueOf<O> = O extends { read: Read<infer T>; standard: null } ? T | null : O extends { read: Read<infer T> } ? T : never;
type Values<S extends SectionName> = { readonly [K in keyof (typeof options)[S]]: ValueOf<(typeof options)[S][K]> };

/** The sections that are read here. What else stands in the config is not for the agent. */
export const ours = (sections: readonly Section[]): readonly Section[] => sections.filter(({ name }) => name in options);

export function parse(sections: readonly Section[]): Parsed {
  const faults: Fault[] = [];
  const node = take('node', sections, faults);
  const { keepalive, tls, authority, pin, ...broker } = take('broker', sections, faults);
  if (faults.length > 0) return { ok: false, faults };
  if (tls && authority === null && pin === null)
    return { ok: false, faults: [fault('missing', 'weir.broker.authority', `set it to ${options.broker.authority.want}, or set a pin`)] };
  return { ok: true, value: { node, broker: { ...broker, keepAlive: seconds(keepalive), tls: tls ? { authority, pin } : null } } };
}

/** Holds what it promises only when no fault was added. */
function take<S extends SectionName>(name: S, sections: readonly Section[], faults: Fault[]): Values<S> {
  const known: Readonly<Record<string, Option<unknown>>> = options[name];
  const given = sections.find((section) => section.name === name)?.options ?? new Map<string, string>();
  for (const option of given.keys())
    if (!(option in known))
      faults.push(fault('unsupported', `weir.${name}.${option}`, `no such option; there are ${Object.keys(known).join(', ')}`));
  const values = Object.entries(known).map(([option, { read, want, standard }]) => {
    const text = given.get(option);
    if (text === undefined && standard !== undefined) return [option, standard];
    const value = typeof text === 'string' ? read(text) : null;
    // What was set is not repeated: it may be a password in the wrong line.
    if (value === null) faults.push(fault(text === undefined ? 'missing' : 'malformed', `weir.${name}.${option}`, `set it to ${want}`));
    return [option, value];
  });
  return Object.fromEntries(values) as Values<S>;
}

// How a value of ours is written in CBOR, both ways from one description: maps with whole-number keys, each with its name for the path of a
// Fault. A key that is not named is refused, unless it is below zero: those are notes, which a later version may add and all may pass over.
// Knows no message.

import type { ByteCount, Seconds } from '../core/brand.ts';
import { type Fault, fail, ok, type Result, under } from '../core/result.ts';
import type { Pair } from '../core/seat.ts';
import type { Value } from './cbor.ts';

export type Form<T> = Readonly<{
  write(value: T): Value;
  read(value: Value): Result<T>;
  /** It may be left out of a map, and then is null. */
  optional?: true;
}>;
export type Of<F> = F extends Form<infer T> ? T : never;

const malformed = (want: string): Result<never> => fail('malformed', '', `expected ${want}`);
const at = (path: string | number, fault: Fault): Result<never> => ({ ok: false, fault: under(`${path}`, fault) });

// ── Single values ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const most63 = (1n << 63n) - 1n;

/** Bytes, packets, money: up to 2^63 - 1. */
export const count: Form<bigint> = {
  write: (n) => n,
  read: (v) =>
    (typeof v === 'number' || typeof v === 'bigint') && v >= 0 && BigInt(v) <= most63 ? ok(BigInt(v)) : malformed('0 to 2^63-1'),
};
export const byteCount = count as Form<ByteCount>;

export const whole = <T extends number = number>(least: number, most: number): Form<T> => ({
  write: (n) => n,
  read: (v) => (typeof v === 'number' && v >= least && v <= most ? ok(v as T) : malformed(`${least} to ${most}`)),
});
/** Up to 2^40: of an uptime or a date, whatever the clock says. */
export const seconds: Form<Seconds> = whole(0, 2 ** 40);

export const truth: Form<boolean> = {
  write: (b) => b,
  read: (v) => (typeof v === 'boolean' ? ok(v) : malformed('true or false')),
};

export const bytes = <T extends Uint8Array = Uint8Array>(least: number, most = least): Form<T> => ({
  write: (b) => b,
  read: (v) =>
    v instanceof Uint8Array && v.length >= least && v.length <= most
      ? ok(v as T)
      : malformed(`${least === most ? least : `${least} to ${most}`} bytes`),
});

/** `want` is told to who got it wrong. */
export const text = <T extends string = string>(pattern: RegExp, want: string): Form<T> => ({
  write: (t) => t,
  read: (v) => (typeof v === 'string' && pattern.test(v) ? ok(v as T) : malformed(want)),
});

/** Fixed bytes that the rest of the house holds as text, so that they compare and index. */
export const hex = <T extends string>(size: number): Form<T> => ({
  write: (t) => bytesOf(t),
  read: (v) => (v instanceof Uint8Array && v.length === size ? ok(hexOf(v) as T) : malformed(`${size} bytes`)),
});

export const hexOf = (b: Uint8Array): string => [...b].map((byte) => byte.toString(16).padStart(2, '0')).join('');
export const bytesOf = (t: string): Uint8Array =>
  Uint8Array.from({ length: t.length / 2 }, (_, i) => Number.parseInt(t.slice(2 * i, 2 * i + 2), 16));

/** A word as its number, counted from 0; a new word goes to the end. */
export const choice = <const W extends readonly string[]>(words: W): Form<W[number]> => ({
  write: (word) => words.indexOf(word),
  read(v) {
    const word = typeof v === 'number' ? words[v] : undefined;
    return word === undefined ? malformed(`0 to ${words.length - 1}`) : ok(word);
  },
});

/** Held by the house as something else than it is written as. `from` may still refuse. */
export const mapped = <A, B>(form: Form<A>, to: (value: B) => A, from: (written: A) => Result<B>): Form<B> => ({
  write: (value) => form.write(to(value)),
  read(v) {
    const written = form.read(v);
    return written.ok ? from(written.value) : written;
  },
});

// ── Several values ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const maybe = <T>(form: Form<T>): Form<T | null> => ({
  write: (value) => (value === null ? null : form.write(value)),
  read: form.read,
  optional: true,
});

export const list = <T>(form: Form<T>, least: number, most: number): Form<readonly T[]> => ({
  write: (values) => values.map(form.write),
  read(v) {
    if (!Array.isArray(v) || v.length < least || v.length > most) return malformed(`an array of ${least} to ${most}`);
    const values: T[] = [];
    for (const [i, one] of (v as readonly Value[]).entries()) {
      const value = form.read(one);
      if (!value.ok) return at(i, value.fault);
      values.push(value.value);
    }
    return ok(values);
  },
});

type Named = Readonly<Record<string, Form<unknown>>>;
type ValuesOf<N extends Named> = { readonly [K in keyof N]: Of<N[K]> };

/** An array in which each place has its meaning. */
export const tuple = <const N extends Named>(places: N): Form<ValuesOf<N>> => ({
  write: (value) => Object.entries(places).map(([name, form]) => form.write(value[name])),
  read(v) {
    const entries = Object.entries(places);
    if (!Array.isArray(v) || v.length !== entries.length) return malformed(`an array of ${entries.length}`);
    const values: [string, unknown][] = [];
    for (const [i, [name, form]] of entries.entries()) {
      const value = form.read((v as readonly Value[])[i] ?? null);
      if (!value.ok) return at(name, value.fault);
      values.push([name, value.value]);
    }
    return ok(Object.fromEntries(values) as ValuesOf<N>);
  },
});

export const pair = <T>(form: Form<T>): Form<Pair<T>> => tuple({ up: form, down: form });

type Fields = Readonly<Record<string, readonly [key: number, form: Form<unknown>]>>;
type RecordOf<F extends Fields> = { readonly [K in keyof F]: Of<F[K][1]> };

export function record<const F extends Fields>(fields: F): Form<RecordOf<F>> {
  const entries = Object.entries(fields);
  const keys = new Set(entries.map(([, [key]]) => key));
  return {
    write: (value) =>
      new Map(
        entries.flatMap(([name, [key, form]]): (readonly [number, Value])[] =>
          form.optional === true && value[name] === null ? [] : [[key, form.write(value[name])]],
        ),
      ),
    read(v) {
      if (!(v instanceof Map)) return malformed('a map');
      const map = v as ReadonlyMap<number, Value>;
      for (const key of map.keys()) if (key >= 0 && !keys.has(key)) return fail('unsupported', `${key}`, 'no such key');
      const values: [string, unknown][] = [];
      for (const [name, [key, form]] of entries) {
        const inner = map.get(key);
        if (inner === undefined && form.optional !== true) return fail('missing', name, 'has to be there');
        const value = inner === undefined ? ok(null) : form.read(inner);
        if (!value.ok) return at(name, value.fault);
        values.push([name, value.value]);
      }
      return ok(Object.fromEntries(values) as RecordOf<F>);
    },
  };
}

/** One of several, told apart by a number: [which, value]. */
export const oneOf = <const C extends Readonly<Record<string, readonly [number, Form<unknown>]>>>(choices: C): Form<OneOf<C>> => ({
  write(value) {
    const [which, form] = choices[value.kind as string] ?? impossible(value.kind as string);
    return [which, form.write(value)];
  },
  read(v) {
    if (!Array.isArray(v) || v.length !== 2) return malformed('an array of 2');
    const [number = null, inner = null] = v as readonly Value[];
    const chosen = Object.entries(choices).find(([, [which]]) => which === number);
    if (chosen === undefined) return fail('unsupported', '', 'no such kind');
    const [kind, [, form]] = chosen;
    const value = form.read(inner);
    return value.ok ? ok({ kind, ...(value.value as object) } as OneOf<C>) : at(kind, value.fault);
  },
});
type OneOf<C extends Readonly<Record<string, readonly [number, Form<unknown>]>>> = {
  [K in keyof C]: Readonly<{ kind: K }> & Of<C[K][1]>;
}[keyof C];

function impossible(kind: string): never {
  throw new Error(`form: no kind ${kind}`);
}

// The arguments of a command: options by name, each once, and words. `--name VALUE` and `--name=VALUE`; a flag has no value; after `--` all
// are words. Knows no command, and repeats no value: it may be a secret in the wrong place.

import { fail, ok, type Result, under } from './result.ts';

type Read<T> = (text: string) => Result<T>;
export type Shape = Readonly<Record<string, 'flag' | Read<unknown>>>;
type ValueOf<K> = K extends Read<infer T> ? T : true;
export type Arguments<S extends Shape, W extends keyof S = never> = Readonly<{
  options: { readonly [K in keyof S]?: ValueOf<S[K]> } & { readonly [K in W]: ValueOf<S[K]> };
  words: readonly string[];
}>;

export const text: Read<string> = ok;
export const matching =
  (pattern: RegExp, want: string): Read<string> =>
  (given) =>
    pattern.test(given) ? ok(given) : fail('malformed', '', `expected ${want}`);
/** Without spaces, joined by commas. */
export const list =
  <T>(each: Read<T>): Read<readonly T[]> =>
  (given) => {
    const items: T[] = [];
    for (const part of given.split(',')) {
      const item = each(part);
      if (!item.ok) return item;
      items.push(item.value);
    }
    return ok(items);
  };

/** `words`: what they are called, in their order; `?` behind the last that may be left out, `...` behind the last that may be many. */
export type Grammar<S extends Shape, W extends keyof S & string> = Readonly<{
  options: S;
  words?: Readonly<Record<string, Read<string>>>;
  /** Options that have to be there. */
  wanted?: readonly W[];
}>;

export function parse<S extends Shape, W extends keyof S & string = never>(
  args: readonly string[],
  { options: shape, words = {}, wanted = [] }: Grammar<S, W>,
): Result<Arguments<S, W>> {
  const options = new Map<string, unknown>();
  const rest: string[] = [];
  const left = [...args];
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    if (arg === '--') rest.push(...left.splice(0));
    else if (!arg.startsWith('--')) rest.push(arg);
    else {
      const [name = '', given] = arg.slice(2).split(/=(.*)/s);
      const path = `--${name}`;
      const kind = Object.hasOwn(shape, name) ? shape[name] : undefined;
      if (kind === undefined) return fail('unsupported', /^--[\w-]+$/.test(path) ? path : '', `no such option${listOf(shape)}`);
      if (options.has(name)) return fail('malformed', path, 'given twice');
      if (kind === 'flag') {
        if (given !== undefined) return fail('malformed', path, 'takes no value');
        options.set(name, true);
        continue;
      }
      const value = given ?? left.shift();
      if (value === undefined) return fail('missing', path, 'wants a value');
      const read = kind(value);
      if (!read.ok) return { ok: false, fault: under(path, read.fault) };
      options.set(name, read.value);
    }
  }
  const names = Object.keys(words);
  const last = names.at(-1);
  const missing = names[rest.length];
  if (missing !== undefined && !missing.endsWith('?')) return fail('missing', missing, 'has to be said');
  if (rest.length > names.length && last?.endsWith('...') !== true)
    return fail('malformed', '', `takes ${names.length === 0 ? 'no words' : names.join(' ')}`);
  for (const [i, word] of rest.entries()) {
    const path = names[i] ?? `${last}`;
    const read = words[path]?.(word);
    if (read?.ok === false) return { ok: false, fault: under(path, read.fault) };
  }
  const absent = wanted.find((name) => !options.has(name));
  if (absent !== undefined) return fail('missing', `--${absent}`, 'has to be said');
  return ok({ options: Object.fromEntries(options) as Arguments<S, W>['options'], words: rest });
}

const listOf = (shape: Shape): string => {
  const names = Object.keys(shape);
  return names.length === 0 ? '' : `; there are ${names.map((name) => `--${name}`).join(', ')}`;
};

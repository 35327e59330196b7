// The arguments of a command: options by name, each once, and words. `--name VALUE` and `--name=VALUE`; a flag has no value; after `--` all
// are words. Knows no command, and repeats no value: it may be a secret in the wrong place.

import { fail, ok, type Result } from './result.ts';

export type Shape = Readonly<Record<string, 'flag' | 'text'>>;
export type Arguments<S extends Shape> = Readonly<{
  options: { readonly [K in keyof S]?: S[K] extends 'flag' ? true : string };
  words: readonly string[];
}>;

/** `words`: the least and the most of them. */
export function parse<S extends Shape>(args: readonly string[], shape: S, words: readonly [number, number]): Result<Arguments<S>> {
  const options: Record<string, string | true> = {};
  const rest: string[] = [];
  const left = [...args];
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    if (arg === '--') rest.push(...left.splice(0));
    else if (!arg.startsWith('--')) rest.push(arg);
    else {
      const [name = '', given] = arg.slice(2).split(/=(.*)/s);
      const kind = Object.hasOwn(shape, name) ? shape[name] : undefined;
      if (kind === undefined) return fail('unsupported', /^[\w-]+$/.test(name) ? `--${name}` : '', `no such option${listOf(shape)}`);
      if (options[name] !== undefined) return fail('malformed', `--${name}`, 'given twice');
      if (kind === 'flag' && given !== undefined) return fail('malformed', `--${name}`, 'takes no value');
      const value = kind === 'flag' ? true : (given ?? left.shift());
      if (value === undefined) return fail('missing', `--${name}`, 'wants a value');
      options[name] = value;
    }
  }
  const [least, most] = words;
  if (rest.length < least) return fail('missing', '', 'one more word is wanted');
  if (rest.length > most)
    return fail('malformed', '', most === 0 ? 'takes options only' : `takes ${most} word${most === 1 ? '' : 's'}, not ${rest.length}`);
  return ok({ options: options as Arguments<S>['options'], words: rest });
}

const listOf = (shape: Shape): string => {
  const names = Object.keys(shape);
  return names.length === 0 ? '' : `; there are ${names.map((name) => `--${name}`).join(', ')}`;
};

// UCI as libuci keeps it: text ↔ sections, and the replay of staged changes. Knows neither ubus nor whose changes they are (uci.ts).

import { fail, ok, type Result } from '../../agent/core/result.ts';

export type Section = { name: string; type: string; anonymous: boolean; options: Map<string, string | string[]> };
/** `made` counts every section there ever was, because libuci names the anonymous ones by it. */
export type Package = { sections: Section[]; made: number };
export type Change = Readonly<{
  verb: 'add' | 'set' | 'remove' | 'rename' | 'order' | 'list-add' | 'list-del';
  section: string;
  option?: string | undefined;
  value?: string | undefined;
}>;

export const isName = (s: string): boolean => /^[A-Za-z0-9_]+$/.test(s);
export const find = (p: Package, name: string): Section | undefined => p.sections.find((s) => s.name === name);

/** `@type[n]`, counted from the end when negative; null when it is not of that form. */
export function findExtended(p: Package, name: string): Section | undefined | null {
  const [, type, index] = /^@([^[]*)\[(-?\d+)\]$/.exec(name) ?? [];
  if (type === undefined || index === undefined) return null;
  return p.sections.filter((s) => type === '' || s.type === type).at(Number(index));
}

/** libuci's name for the next anonymous section: a count and a hash of the type (djb2, 16 bits). */
export function anonymousName(p: Package, type: string): string {
  const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
  const hash = [...type].reduce((h, c) => (h * 33 + c.charCodeAt(0)) & 0xffff, 5381);
  return `cfg${hex(p.made + 1, 2)}${hex(hash, 4)}`;
}

/** Does one change; what does not fit is left out in silence, as libuci does with a line of a delta file. */
export function apply(p: Package, c: Change): void {
  const at = p.sections.findIndex((s) => s.name === c.section);
  const section = p.sections[at];
  const { option, value } = c;
  if (section === undefined) {
    if ((c.verb === 'add' || c.verb === 'set') && option === undefined && value !== undefined) {
      p.sections.push({ name: c.section, type: value, anonymous: c.verb === 'add', options: new Map() });
      p.made += 1;
    }
    return;
  }
  if (option === undefined) {
    if (c.verb === 'remove') p.sections.splice(at, 1);
    else if (value === undefined) return;
    else if (c.verb === 'order') p.sections.splice(Number(value), 0, ...p.sections.splice(at, 1));
    else if (c.verb === 'rename') Object.assign(section, { name: value, anonymous: false });
    else section.type = value;
    return;
  }
  const old = section.options.get(option);
  if (c.verb === 'remove') section.options.delete(option);
  else if (value === undefined) return;
  else if (c.verb === 'set') section.options.set(option, value);
  else if (c.verb === 'list-add') section.options.set(option, [...(old === undefined ? [] : [old].flat()), value]);
  else if (c.verb === 'list-del' && Array.isArray(old))
    section.options.set(
      option,
      old.filter((v) => v !== value),
    );
  else if (c.verb === 'rename') section.options = new Map([...section.options].map(([k, v]) => [k === option ? value : k, v]));
}

export function parse(source: string): Result<Package> {
  const p: Package = { sections: [], made: 0 };
  let section: string | null = null;
  for (const { line, words } of statements(source)) {
    const [verb, first, second, more] = words;
    if (verb === undefined || verb === 'package') continue;
    const wrong = (what: string): Result<never> => fail('malformed', `line ${line}`, what);
    if (first === undefined) return wrong(`${verb} of what?`);
    if (more !== undefined) return wrong('too many words');
    if (verb === 'config') {
      section = second ?? anonymousName(p, first);
      if (!isName(section)) return wrong('not a name');
      if ((find(p, section)?.type ?? first) !== first) return wrong('a section of that name has another type');
      apply(p, { verb: second === undefined ? 'add' : 'set', section, value: first });
    } else if ((verb === 'option' || verb === 'list') && section !== null && isName(first)) {
      if (second) apply(p, { verb: verb === 'list' ? 'list-add' : 'set', section, option: first, value: second });
    } else return wrong(`unexpected ${verb}`);
  }
  return ok(p);
}

function* statements(source: string): Generator<{ line: number; words: string[] }> {
  const token = /(\n)|#[^\n]*|[ \t\r]+|((?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"#;\\])+)/gsy;
  let line = 1;
  let at = 0;
  let words: string[] = [];
  for (const [all, end, word] of source.matchAll(token)) {
    if (word !== undefined) words.push(word.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gs, unquote));
    if (end !== undefined) {
      yield { line, words };
      words = [];
    }
    line += all.split('\n').length - 1;
    at += all.length;
  }
  // An open quote ends the tokens early.
  yield { line, words: at < source.length ? [source.slice(at), ''] : words };
}

const unquote = (_: string, single?: string, double?: string, escaped?: string): string =>
  single ?? double?.replace(/\\(.)/gs, '$1') ?? escaped ?? '';

/** What libuci writes, to the byte; `uci export` puts `package NAME` above it. */
export function render(p: Package): string {
  const quote = (s: string): string => `'${s.replaceAll("'", "'\\''")}'`;
  const lines = p.sections.flatMap((s) => [
    '',
    `config ${s.type}${s.anonymous ? '' : ` ${quote(s.name)}`}`,
    ...[...s.options].flatMap(([name, value]) =>
      typeof value === 'string' ? [`\toption ${name} ${quote(value)}`] : value.map((v) => `\tlist ${name} ${quote(v)}`),
    ),
  ]);
  return [...lines, '', ''].join('\n');
}

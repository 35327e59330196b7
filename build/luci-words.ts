// The words of the LuCI app: what its pages say in English, collected; a translation (.po), read; the table that LuCI's server reads (.lmo), made.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { options } from '../agent/core/settings.ts';

const source = 'openwrt/luci-app-weir';
export const template = `${source}/po/templates/weir.pot`;
export const languages = ['de'] as const;
export const catalogue = (language: string): string => `${source}/po/${language}/weir.po`;

/** What an option expects: said by the agent's own rules. */
const isWanted = (text: ts.Node): boolean => text.getText() === 'rule.want';

/** Whatever is said with `_('…')`, and the menu's titles, each with where it is said first. */
export function said(): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  const say = (text: string, where: string): void => {
    if (/["\\]/.test(text)) throw new Error(`${where}: a text without quotation marks and backslashes, please: ${text}`);
    if (!words.has(text)) words.set(text, where);
  };
  for (const file of readdirSync(`${source}/src`).sort()) {
    const path = `src/${file}`;
    const tree = ts.createSourceFile(path, readFileSync(`${source}/${path}`, 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      const [text] = ts.isCallExpression(node) && node.expression.getText() === '_' ? node.arguments : [];
      if (text !== undefined && !ts.isStringLiteral(text) && !isWanted(text))
        throw new Error(`${path}: _() of something else than a text: ${text.getText()}`);
      if (text !== undefined && ts.isStringLiteral(text)) say(text.text, path);
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  for (const { want } of Object.values(options).flatMap((rules) => Object.values(rules))) say(want, 'agent/core/settings.ts');
  const menu = 'root/usr/share/luci/menu.d/luci-app-weir.json';
  const entries = JSON.parse(readFileSync(`${source}/${menu}`, 'utf8')) as Readonly<Record<string, Readonly<{ title: string }>>>;
  for (const { title } of Object.values(entries)) say(title, menu);
  return words;
}

export const renderTemplate = (): string =>
  [
    'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n',
    ...[...said()].map(([text, where]) => `#: ${where}\nmsgid "${text}"\nmsgstr ""\n`),
  ].join('\n');

/** Each text in a line of its own. */
export const parse = (po: string): ReadonlyMap<string, string> =>
  new Map([...po.matchAll(/^msgid "(.+)"\nmsgstr "(.+)"$/gm)].map(([, text = '', translated = '']) => [text, translated]));

/** SuperFastHash, over signed bytes where LuCI's is. */
export function hash(text: string): number {
  const bytes = Buffer.from(text);
  const tail = bytes.length & 3;
  const last = bytes.length - tail;
  let h = bytes.length;
  for (let at = 0; at < last; at += 4) {
    h = (h + bytes.readUInt16LE(at)) | 0;
    h = (h << 16) ^ (bytes.readUInt16LE(at + 2) << 11) ^ h;
    h = (h + (h >>> 11)) | 0;
  }
  if (tail >= 2) h = (h + bytes.readUInt16LE(last)) | 0;
  if (tail === 3) {
    h ^= h << 16;
    h ^= bytes.readInt8(last + 2) << 18;
    h = (h + (h >>> 11)) | 0;
  } else if (tail === 2) {
    h ^= h << 11;
    h = (h + (h >>> 17)) | 0;
  } else if (tail === 1) {
    h = (h + bytes.readInt8(last)) | 0;
    h ^= h << 10;
    h = (h + (h >>> 1)) | 0;
  }
  for (const [left, right] of [
    [3, 5],
    [4, 17],
    [25, 6],
  ] as const) {
    h ^= h << left;
    h = (h + (h >>> right)) | 0;
  }
  return h >>> 0;
}

/** The texts, each filled up to four bytes; then, in the order of the hashes: hash, plural form, place and length of each; then where that begins. */
export function lmo(words: ReadonlyMap<string, string>): Buffer {
  const chunks: Buffer[] = [];
  const entries: { key: number; at: number; length: number }[] = [];
  let at = 0;
  for (const [text, translated] of words) {
    // As LuCI's own tool leaves it out.
    if (text === translated) continue;
    const bytes = Buffer.from(translated);
    const filled = Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
    entries.push({ key: hash(text), at, length: bytes.length });
    chunks.push(filled);
    at += filled.length;
  }
  const index = Buffer.alloc(16 * entries.length + 4);
  for (const [i, entry] of entries.sort((a, b) => a.key - b.key).entries())
    for (const [j, n] of [entry.key, 1, entry.at, entry.length].entries()) index.writeUInt32BE(n, 16 * i + 4 * j);
  index.writeUInt32BE(at, 16 * entries.length);
  return Buffer.concat([...chunks, index]);
}

if (process.argv[1] === join(process.cwd(), 'build/luci-words.ts')) writeFileSync(template, renderTemplate());

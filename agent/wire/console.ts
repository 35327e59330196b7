// Text for a console of 80 columns: tables, paragraphs, the pixels of a code, and JSON of what came over the bus. Knows no command.

import type { Value } from './blobmsg.ts';

const width = 79;

/** One row for each line; numbers to the right. A column is as wide as its widest cell; nothing follows the last. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const pad = (cell: string, i: number): string => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0));
  return rows.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
}

/** Words after a head, with what does not fit on a line below it. */
export function wrap(head: string, words: string, indent = 9): string {
  const lines: string[] = [];
  let line = head.padEnd(indent);
  for (const word of words.split(' ')) {
    if (line.length + word.length > width && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent);
    }
    line += `${word} `;
  }
  return `${[...lines, line.trimEnd()].join('\n')}\n`;
}

const quiet = { least: 2, most: 4 };

/**
 * A QR code, two rows of pixels in a line; null: wider than the console. Both colours are said, because a code with dark and light exchanged is
 * not read by every phone, and a terminal may be either; one that knows no bright white keeps the plain one.
 */
export function pixels(dark: readonly (readonly boolean[])[]): string | null {
  const size = dark.length;
  const border = Math.min(quiet.most, Math.floor((width - size) / 2));
  if (border < quiet.least) return null;
  const at = (x: number, y: number): boolean => dark[y - border]?.[x - border] === true;
  const lines: string[] = [];
  for (let y = 0; y < size + 2 * border; y += 2) {
    let line = '';
    for (let x = 0; x < size + 2 * border; x++) line += at(x, y) ? (at(x, y + 1) ? '█' : '▀') : at(x, y + 1) ? '▄' : ' ';
    lines.push(`\x1b[30;47;107m${line}\x1b[0m\n`);
  }
  return lines.join('');
}

export function json(value: Value): string {
  switch (value.kind) {
    case 'table':
      return `{${value.fields.map((f) => `${JSON.stringify(f.name)}:${json(f.value)}`).join(',')}}`;
    case 'array':
      return `[${value.fields.map((f) => json(f.value)).join(',')}]`;
    case 'int8':
      return value.value === 0 ? 'false' : 'true';
    case 'int64':
      return `${value.value}`;
    case 'string':
      return JSON.stringify(typeof value.value === 'string' ? value.value : '');
    case 'null':
      return 'null';
    default:
      return JSON.stringify(value.value);
  }
}

// What every benchmark gives back. Knows none of them.

export type Report = Readonly<{
  /** What it ran on, in words that hold on any machine. */
  on: string;
  /** Markdown: tables, and what a reader must know about them. */
  body: string;
  numbers: Readonly<Record<string, unknown>>;
  /** Limits that do not hold, each with its figure. */
  broken: readonly string[];
}>;

export type Bench = Readonly<{
  what: string;
  /** COMMAND:PACKAGE, as scripts/need takes them. */
  needs: readonly string[];
  /** What can be run alone, to try something; the page then stays as it is. */
  parts?: readonly string[];
  run(only?: string): Promise<Report>;
}>;

/** A table as Markdown that also reads well on a terminal: first column to the left, the others to the right. */
export function render(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(3, ...table.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? `${'-'.repeat(width + 2)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return table.map((row, index) => (index === 0 ? `${line(row)}\n${rule}` : line(row))).join('\n');
}

const pad = (cell: string, width: number, column: number): string => (column === 0 ? cell.padEnd(width) : cell.padStart(width));

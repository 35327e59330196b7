// The command line of the benchmarks: runs one, prints its table, and writes it into its section of docs/BENCHMARKS.md.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Bench, Report } from './benches/bench.ts';
import { coordinator } from './benches/coordinator.ts';
import { enforce } from './benches/enforce.ts';
import { footprint } from './benches/footprint.ts';
import { link } from './benches/link.ts';
import { receipts } from './benches/receipts.ts';

const benches: Readonly<Record<string, Bench>> = { footprint, enforce, receipts, link, coordinator };
const page = 'docs/BENCHMARKS.md';
const head = `# Benchmarks

Every section is written by the command it names, which fails when a limit does not hold. Emulated milliseconds are not a router's
milliseconds; bytes are bytes.
`;

const help = `usage: scripts/bench NAME [PART] [--json]

Runs a benchmark, prints its table and writes it into its section of ${page}. Ends with 1 when a limit does not hold.
One part alone is only printed.
  --json   prints the figures as one JSON object on the last line

${Object.entries(benches)
  .map(([name, { what, parts = [] }]) => `  ${[name.padEnd(12), what, ...(parts.length === 0 ? [] : [`(${parts.join(' ')})`])].join(' ')}`)
  .join('\n')}
`;

const section = (name: string, report: Report): string =>
  `## ${name}\n\n\`scripts/bench ${name}\`, ${new Date().toISOString().slice(0, 10)}, on ${report.on}.\n\n${report.body}\n`;

function write(name: string, text: string): void {
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->\n`];
  const old = existsSync(page) ? readFileSync(page, 'utf8') : head;
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  const [before, after] = from < 0 ? [`${old}\n`, ''] : [old.slice(0, from), old.slice(to + end.length)];
  writeFileSync(page, `${before}${begin}${text}${end}${after}`);
}

async function main(args: readonly string[]): Promise<number> {
  const [name = '', part, ...more] = args.filter((arg) => arg !== '--json');
  const bench = benches[name];
  if (args.includes('--help')) {
    process.stdout.write(help);
    return 0;
  }
  if (bench === undefined || more.length > 0 || (part !== undefined && bench.parts?.includes(part) !== true)) {
    process.stderr.write(help);
    return 2;
  }
  const needs = spawnSync('scripts/need', [...bench.needs], { stdio: 'inherit' });
  if (needs.status !== 0) return 1;
  const report = await bench.run(part);
  const text = section(name, report);
  if (part === undefined) write(name, text);
  console.log(text);
  for (const limit of report.broken) console.log(`over the limit: ${limit}`);
  if (args.includes('--json')) console.log(JSON.stringify(report.numbers));
  return report.broken.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));

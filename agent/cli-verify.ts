// `weir verify` and scripts/verify: reads files of signed messages and says what holds. Needs no bus, no agent and no network.

import { misread } from './cli-say.ts';
import * as argv from './core/argv.ts';
import type { PublicKey } from './core/brand.ts';
import { type Fault, text, under } from './core/result.ts';
import type { Host } from './ports/host.ts';
import * as evidence from './wire/evidence.ts';
import { bytesOf } from './wire/form.ts';

export const help = {
  verify: `weir verify [--key HEX[,HEX]] [--json] FILE...

Checks every signature, chain, gap and total. Each FILE holds signed messages,
one in hex on each line, as weir receipts --hex writes them: the receipts of a
session, its grant, and either the node's birth or, by --key, the node's public
key (weir key show). Where a coordinator granted: its certificate and, by --key,
the root's key.
Ends with 0 when everything holds, with 1 when something does not, with 2 when a
file cannot be read.
`,
};

const mostBytes = 64 << 20;

/** A machine without a bus will do. */
export type Ground = Pick<Host, 'print' | 'log' | 'sha256' | 'sha512'> & Readonly<{ files: Pick<Host['files'], 'read'> }>;

export async function run(host: Ground, name: string, args: readonly string[]): Promise<number> {
  const key = argv.list(argv.matching(/^[0-9a-f]{64}$/, '32 bytes in hex'));
  const parsed = argv.parse(args, { options: { key, json: 'flag' }, words: { 'FILE...': argv.text } });
  if (!parsed.ok) return misread(host, name, parsed.fault);
  const { options, words } = parsed.value;
  const unread = (why: Fault): number => {
    host.log(`weir ${name}: ${text(why)}`);
    return 2;
  };
  const messages: Uint8Array[] = [];
  for (const file of words) {
    const source = host.files.read(file, mostBytes);
    if (!source.ok) return unread(source.fault);
    const read = evidence.parse(new TextDecoder().decode(source.value));
    if (!read.ok) return unread(under(file, read.fault));
    messages.push(...read.value);
  }
  const keys = (options.key ?? []).map((hex) => bytesOf(hex) as PublicKey);
  const report = evidence.examine(messages, keys, host);
  if (options.json) host.print(`${JSON.stringify(report, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v), 2)}\n`);
  else host.print(render(report));
  return report.findings.length === 0 ? 0 : 1;
}

function render({ messages, sessions, roots, findings }: evidence.Report): string {
  const lines = [
    `${messages} messages`,
    ...sessions.flatMap(({ session, node, receipts, last, counted, due, witnessed, vouched, disputes, final }) => [
      `session ${session} of ${node}: ${final ?? 'open'}`,
      `  ${receipts} of ${last} receipts, ${witnessed === null ? 'none countersigned' : `countersigned up to ${witnessed}`}`,
      ...(vouched === null ? [] : [`  its consumer vouched for ${vouched} bytes`]),
      ...disputes.map(
        ({ sequence, reason, counted: own }) =>
          `  its consumer disputes receipt ${sequence}: ${own === null ? reason : `${own.up} bytes up, ${own.down} down`}`,
      ),
      `  ${counted.up} bytes up, ${counted.down} down${due === null ? '' : `, ${due.amount} millionths of ${due.price.currency}`}`,
    ]),
    ...roots.map(
      ({ node, number, isShown }) => `root ${number} of ${node}: ${isShown ? 'over the chains here' : 'not all its chains are here'}`,
    ),
    ...findings.map(({ where, fault }) => `BAD ${where}: ${text(fault)}`),
    findings.length === 0 ? 'everything holds' : `${findings.length} do not hold`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

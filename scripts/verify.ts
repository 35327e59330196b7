// The verifier: reads files of signed messages and says what holds. `scripts/verify --help`.

import { parseArgs } from 'node:util';
import type { PublicKey } from '../agent/core/brand.ts';
import { text } from '../agent/core/result.ts';
import { portable as hashes } from '../agent/crypto/sha.ts';
import { host } from '../agent/host/node.ts';
import * as evidence from '../agent/wire/evidence.ts';
import { bytesOf } from '../agent/wire/form.ts';

const help = `usage: scripts/verify [--key HEX]… [--json] FILE…

Each FILE holds signed messages, one in hex on each line. Give the receipts of a session with its grant, the node's birth (it says the node's
key) and, where a coordinator granted, the certificate and --key with the root's key. Ends with 0 when everything holds, with 1 when
something does not, with 2 when a file cannot be read.`;

const mostBytes = 64 << 20;

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { key: { type: 'string', multiple: true, default: [] }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help === true || positionals.length === 0) {
    console.log(help);
    return values.help === true ? 0 : 2;
  }
  const wrong = values.key.find((key) => !/^[0-9a-f]{64}$/.test(key));
  if (wrong !== undefined) return refuse(`--key ${wrong}: expected 32 bytes in hex`);
  const messages: Uint8Array[] = [];
  for (const file of positionals) {
    const source = host.files.read(file, mostBytes);
    if (!source.ok) return refuse(text(source.fault));
    const parsed = evidence.parse(new TextDecoder().decode(source.value));
    if (!parsed.ok) return refuse(`${file}: ${text(parsed.fault)}`);
    messages.push(...parsed.value);
  }
  const keys = values.key.map((key) => bytesOf(key) as PublicKey);
  const report = evidence.examine(messages, keys, hashes);
  if (values.json === true) console.log(JSON.stringify(report, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), 2));
  else console.log(render(report));
  return report.findings.length === 0 ? 0 : 1;
}

function refuse(why: string): number {
  console.error(`verify: ${why}`);
  return 2;
}

function render({ messages, sessions, roots, findings }: evidence.Report): string {
  return [
    `${messages} messages`,
    ...sessions.map(({ session, node, receipts, last, counted, due, witnessed, final }) => {
      const money = due === null ? '' : `, ${due.amount} millionths of ${due.price.currency}`;
      const by = witnessed === null ? 'none countersigned' : `countersigned up to ${witnessed}`;
      return `session ${session} of ${node}: ${receipts} of ${last} receipts, ${counted.up} bytes up, ${counted.down} down${money}; ${by}; ${final ?? 'open'}`;
    }),
    ...roots.map(
      ({ node, number, isShown }) => `root ${number} of ${node}: ${isShown ? 'over the chains here' : 'not all its chains are here'}`,
    ),
    ...findings.map(({ where, fault }) => `✘ ${where}: ${text(fault)}`),
    findings.length === 0 ? 'everything holds' : `${findings.length} do not hold`,
  ].join('\n');
}

process.exitCode = main();

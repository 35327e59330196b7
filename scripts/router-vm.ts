// The command line of the emulated routers: reads its arguments, prints what the script printed, ends with the script's status.

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isMachine, machines } from '../test/vm/ground/machines.ts';
import { type File, host, type Order, runRouter } from '../test/vm/ground/router.ts';

const help = `usage: scripts/router-vm --machine NAME [options] SCRIPT

Boots a router made of Debian's kernel and busybox in QEMU, runs SCRIPT there with busybox's sh, prints what it prints and ends with
its status; 125 when the router itself fails. The packages are brought by apt on first use (build/out/vm).

  --machine NAME       ${Object.keys(machines).join(', ')}
  --module NAME        load this kernel module, and all it needs, first; may be repeated
  --file LOCAL:GUEST   put a file there, with its mode; may be repeated
  --binary FILE        our static program, put at /usr/sbin/weir
  --disk IMAGE         a disk image, /dev/vda there; what the router writes stays in it
  --timeout SECONDS    kill the router after that long (default 120)
  --help               this text

The router is 10.0.2.15 and reaches every port of this machine's loopback at ${host}, and nothing else.
`;

class UsageError extends Error {}

function parseOrder(argv: string[]): Order | null {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      machine: { type: 'string' },
      module: { type: 'string', multiple: true, default: [] },
      file: { type: 'string', multiple: true, default: [] },
      binary: { type: 'string' },
      disk: { type: 'string' },
      timeout: { type: 'string', default: '120' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const [script, ...more] = positionals;
  const seconds = Number(values.timeout);
  if (values.machine === undefined || !isMachine(values.machine))
    throw new UsageError(`--machine is one of ${Object.keys(machines).join(', ')}`);
  if (script === undefined || more.length > 0) throw new UsageError('name one script');
  if (!(seconds > 0)) throw new UsageError('--timeout is a number of seconds');
  return {
    machine: values.machine,
    script: readFileSync(local(script), 'utf8'),
    timeoutMs: seconds * 1000,
    modules: values.module,
    files: Object.fromEntries(values.file.map(parseFile)),
    ...(values.binary === undefined ? {} : { binary: readFileSync(local(values.binary)) }),
    ...(values.disk === undefined ? {} : { disk: local(values.disk) }),
  };
}

function parseFile(pair: string): [string, File] {
  const at = pair.lastIndexOf(':');
  const guest = pair.slice(at + 1);
  if (at < 1 || !guest.startsWith('/')) throw new UsageError(`--file takes LOCAL:/GUEST, not ${pair}`);
  const path = local(pair.slice(0, at));
  return [guest, { bytes: readFileSync(path), mode: statSync(path).mode & 0o7777 }];
}

// run.mjs works in the project's folder; the shell's own is in PWD.
const local = (path: string): string => resolve(process.env['PWD'] ?? '.', path);

try {
  const order = parseOrder(process.argv.slice(2));
  if (order === null) process.stdout.write(help);
  else {
    const { output, status } = await runRouter(order);
    process.stdout.write(output);
    process.exitCode = status;
  }
} catch (error) {
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`router-vm: ${error.message}\n`);
  process.exitCode = 125;
}

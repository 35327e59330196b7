// Brings a consumer's tunnel up in the network namespace it is started in, and down again: the kernel's WireGuard where there is one,
// otherwise wireguard-go. Nothing in a configuration is ever run, and name servers are left alone.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Configuration } from '../agent/consumer/configuration.ts';
import type { Kind } from '../agent/consumer/counters.ts';
import { fail, ok, type Result } from '../agent/core/result.ts';

export type Tunnel = Readonly<{ device: string; kind: Kind; down(): void }>;

/** Of the tunnel's own packets, which must not enter the tunnel, and of the table that all others look into. */
const mark = '4720';
/** WireGuard's marked packets are answered by unmarked ones: a strict reverse path filter has to know (net.ipv4.conf.all.src_valid_mark). */
const filter = '/proc/sys/net/ipv4/conf/all/src_valid_mark';

type Ran = Readonly<{ isDone: boolean; said: string }>;
function attempt(argv: readonly [string, ...string[]]): Ran {
  const [program, ...args] = argv;
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const ran = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000, env: { ...process.env, PATH } });
  return { isDone: ran.status === 0, said: (ran.error?.message ?? ran.stderr).trim() };
}

const familyOf = (address: string): '-4' | '-6' => (address.includes(':') ? '-6' : '-4');

/** `secret`: in base64, for a configuration that has none. `outside`: addresses that are reached as before, whatever goes into the tunnel. */
export function up(device: string, configuration: Configuration, secret: string, outside: readonly string[]): Result<Tunnel> {
  if (attempt(['ip', 'link', 'show', 'dev', device]).isDone)
    return fail('exists', device, 'there is such a device already: take it away, or name another');
  const isKernel = attempt(['ip', 'link', 'add', 'dev', device, 'type', 'wireguard']).isDone;
  const made = isKernel ? { isDone: true, said: '' } : attempt(['wireguard-go', device]);
  if (!made.isDone) return fail('foreign', 'wireguard-go', made.said);
  const before = readFileSync(filter, 'utf8');
  const everything = configuration.allowed.filter((prefix) => prefix.endsWith('/0'));
  // Each new rule stands before the last one.
  const rules = everything.map(familyOf).flatMap((family): readonly (readonly [string, ...string[]])[] => [
    ['ip', family, 'rule', 'add', 'not', 'fwmark', mark, 'table', mark],
    // What the machine reaches without its default route (a printer) it reaches as before.
    ['ip', family, 'rule', 'add', 'table', 'main', 'suppress_prefixlength', '0'],
    ...outside
      .filter((address) => familyOf(address) === family)
      .map((address) => ['ip', family, 'rule', 'add', 'to', address, 'table', 'main'] as const),
  ]);
  const down = (): void => {
    for (const rule of rules) attempt(rule.map((word) => (word === 'add' ? 'delete' : word)) as [string, ...string[]]);
    attempt(['ip', 'link', 'delete', 'dev', device]);
    writeFileSync(filter, before);
  };
  const steps: readonly (readonly [string, ...string[]])[] = [
    ...configuration.addresses.map((a) => ['ip', 'address', 'add', a, 'dev', device, ...(a.includes(':') ? ['nodad'] : [])] as const),
    ['ip', 'link', 'set', device, 'mtu', String(configuration.mtu), 'up'],
    ...configuration.allowed.map((prefix) =>
      prefix.endsWith('/0')
        ? (['ip', familyOf(prefix), 'route', 'add', 'default', 'dev', device, 'table', mark] as const)
        : (['ip', familyOf(prefix), 'route', 'add', prefix, 'dev', device] as const),
    ),
    ...(everything.length > 0 ? [['wg', 'set', device, 'fwmark', mark] as const] : []),
    ...rules,
  ];
  const set = configure(device, configuration, secret);
  const failed = set.isDone ? steps.map(attempt).find(({ isDone }) => !isDone) : set;
  if (failed !== undefined) {
    down();
    return fail('foreign', device, failed.said);
  }
  if (everything.length > 0) writeFileSync(filter, '1\n');
  return ok({ device, kind: isKernel ? 'kernel' : 'user', down });
}

/** By a file of our own, since `wg` prints what it cannot read. */
function configure(device: string, { device: lines, peer, hasSecret }: Configuration, secret: string): Ran {
  const folder = mkdtempSync(join(tmpdir(), 'weir-tunnel-'));
  const file = join(folder, 'conf');
  try {
    const own = hasSecret ? [] : [`PrivateKey = ${secret}`];
    writeFileSync(file, ['[Interface]', ...own, lines, '[Peer]', peer, ''].join('\n'), { mode: 0o600 });
    const { isDone } = attempt(['wg', 'setconf', device, file]);
    // A malformed key is repeated on stderr.
    return { isDone, said: isDone ? '' : 'wg setconf does not take the configuration' };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// The one line of a network of its own: up, and which packets it loses.

import { spawnSync } from 'node:child_process';

function run(input: string, command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { input, encoding: 'utf8', env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
export const up = (): void => run('', 'ip', 'link', 'set', 'lo', 'up');
/** Which packets do not arrive. */
export function lose(...which: readonly string[]): void {
  const chain = ['type filter hook output priority 0', ...which.map((packets) => `${packets} drop`)].join('; ');
  run(`table inet trouble\ndelete table inet trouble\ntable inet trouble { chain out { ${chain}; }; }`, 'nft', '-f', '-');
}

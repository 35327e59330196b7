// How commands say what went wrong, and what they end with.

import { type Fault, text } from './core/result.ts';
import type { Host } from './ports/host.ts';

type Voice = Pick<Host, 'log'>;

/** Not done: status 1. */
export function refuse(host: Voice, command: string, why: Fault, mend = ''): number {
  host.log(`weir ${command}: ${text(why)}`);
  if (mend !== '') host.log(`  mend: ${mend}`);
  return 1;
}

/** Not understood: status 2. */
export function misread(host: Voice, command: string, why: Fault): number {
  host.log(`weir ${command}: ${text(why)}\nweir ${command.split(' ')[0]} --help says more`);
  return 2;
}

// Runs a program of the project in a network of its own, which ends with the process that asked.

import { spawn } from 'node:child_process';

export function alone(program: string, timeout: number): Promise<number | string | null> {
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', process.execPath, 'scripts/run.mjs', program];
  const child = spawn('setpriv', argv, { stdio: 'inherit', timeout });
  return new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
}

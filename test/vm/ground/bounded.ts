// Runs a program that must end: within its time, and never after the test that started it.

import { spawn } from 'node:child_process';

/** status: null when it was killed, by us when not `inTime`. */
export type Said = Readonly<{ stdout: string; stderr: string; status: number | null; inTime: boolean }>;

export const runBounded = (argv: readonly string[], timeoutMs: number): Promise<Said> =>
  new Promise((resolve, reject) => {
    // A test that is killed cannot clean up; the kernel does it.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let inTime = true;
    const deadline = setTimeout(() => {
      inTime = false;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.on('data', (bytes: Buffer) => stdout.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => stderr.push(bytes));
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(deadline);
      resolve({ stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), status, inTime });
    });
  });

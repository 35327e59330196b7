// Replaces one file over and over until somebody kills it: a victim for the test that a file is always the old or the new one, whole.

import { millis } from '../../../agent/core/brand.ts';
import type { Host } from '../../../agent/ports/host.ts';

export const size = 200_000;

export function writeForever(host: Host, path: string): void {
  const [letter = 0] = host.random(1);
  const replaced = host.files.replace(path, new Uint8Array(size).fill(letter), 0o600);
  if (!replaced.ok) throw new Error(replaced.fault.reason);
  host.clock.after(millis(0), () => writeForever(host, path));
}

// The program that lives in a namespace and holds it: as long as it runs the namespace exists, and it dies with the test that started it.
// Does what `traffic.ts` can, on request.

import { spawnSync } from 'node:child_process';
import { sendRaw } from './raw.ts';
import * as traffic from './traffic.ts';

const verbs = { ...traffic, sendRaw } as const;
export type Verbs = typeof verbs;

// A mount namespace of our own: /sys shows our own links, and wireguard-go's sockets in /run meet nobody else's.
for (const [type, dir] of [
  ['sysfs', '/sys'],
  ['tmpfs', '/run'],
] as const) {
  const mount = spawnSync('mount', ['-t', type, type, dir], { encoding: 'utf8' });
  if (mount.status !== 0) throw new Error(`mount ${dir}: ${mount.stderr}`);
}
const say = (message: unknown): void => {
  process.send?.(message);
};
process.on('disconnect', () => process.exit());
process.on('message', async ({ id, verb, request }: { id: number; verb: keyof Verbs; request: never }) => {
  try {
    say({ id, value: await verbs[verb](request) });
  } catch (e) {
    say({ id, error: String(e) });
  }
});
say({ id: 0, value: null });

// A warden before anything is shared: it lets nobody in, knows nobody, and has the real one woken for whatever takes power.

import { type Fault, fail, type Result } from './core/result.ts';
import type { Warden } from './warden.ts';

export function asleep({ why, wake, changed }: Readonly<{ why(): Fault; wake(): Promise<Warden>; changed(): void }>): Warden {
  const refuse = async (asked: readonly Result<unknown>[]): Promise<readonly Result<never>[]> =>
    asked.map((one) => (one.ok ? { ok: false, fault: why() } : one));
  return {
    admit: refuse,
    renew: refuse,
    change: refuse,
    evict: async (asked) => asked.map((one) => (one.ok ? fail('missing', 'key', 'no such session') : one)),
    rows: async () => ({ ok: true, value: [] }),
    departed: () => [],
    state: () => ({
      why: why(),
      hold: null,
      tunnel: null,
      port: null,
      addresses: null,
      sessions: 0,
      uplinks: [],
      month: null,
      canCountConnections: true,
      proof: null,
      rate: null,
      writes: 0,
      faults: [],
    }),
    lacks: async () => (await wake()).lacks(),
    setup: async () => (await wake()).setup(),
    teardown: async () => (await wake()).teardown(),
    share: async () => (await wake()).share(),
    pause: async () => (await wake()).pause(),
    resume: async () => (await wake()).resume(),
    strain: () => ({ ok: false, fault: why() }),
    dropped: async () => null,
    changed,
  };
}

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Order, runRouter } from './ground/router.ts';

const router = suite('router in trouble');

const failed = async (order: Omit<Order, 'machine' | 'timeoutMs'>, timeoutMs: number): Promise<string> => {
  try {
    const { output, status } = await runRouter({ machine: 'mipsel', timeoutMs, ...order });
    return `no failure: ${output} (${status})`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

const cases = [
  { name: 'a panic', script: 'echo c >/proc/sysrq-trigger; sleep 60', timeoutMs: 60_000, want: [/ended before its script did/, /sysrq/i] },
  { name: 'a hang', script: 'echo so far; sleep 600', timeoutMs: 30_000, want: [/did not end within 30000 ms/, /so far/] },
  { name: 'a forged end', script: 'echo end 0; reboot -f', timeoutMs: 60_000, want: [/ended before its script did/, /end 0/] },
];
for (const c of cases) {
  router(`${c.name} is told with what was seen of it`, async () => {
    const message = await failed({ script: c.script }, c.timeoutMs);
    for (const want of c.want) assert.match(message, want);
  });
}

router('a disk outlives its router', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-disk-'));
  try {
    const disk = join(folder, 'image');
    const file = openSync(disk, 'w');
    ftruncateSync(file, 8 << 20);
    closeSync(file);
    const boot = (script: string) => runRouter({ machine: 'mipsel', script, disk, timeoutMs: 60_000 });
    const first = await boot(
      'mke2fs /dev/vda >/dev/null && mount /dev/vda /root && cp /proc/sys/kernel/random/boot_id /root/id && umount /root',
    );
    assert.equal(first, { output: '', status: 0 });
    const second = await boot('mount /dev/vda /root && wc -c </root/id && cmp /root/id /proc/sys/kernel/random/boot_id');
    assert.match(second.output, /^37\n.*differ/);
    assert.is(second.status, 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

router.run();

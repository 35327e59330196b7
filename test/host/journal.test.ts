import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { host } from '../../agent/host/node.ts';
import { testJournal } from './kept/journal.ts';
import { outputOf, passesNatively, withProgram } from './kept/native.ts';

const temp = mkdtempSync(join(tmpdir(), 'weir-kept-'));
testJournal(host, temp, 1000);

const native = suite('journal: on the C host');
native('the same', () => passesNatively('test/host/kept/journal-program.ts'));
native('killed at any time: no receipt that was sent is lost or told in another way', () =>
  withProgram('test/host/kept/writer-program.ts', async (folder, start) => {
    const state = join(folder, 'state');
    mkdirSync(state);
    const sent = new Map<string, string>();
    for (let round = 1; round <= 12; round++) {
      const child = start(state, `${round}`);
      const enough = 200 + Math.floor(Math.random() * 2000);
      const output = await outputOf(child, (text) => {
        if (text.length > enough) child.kill('SIGKILL');
      });
      assert.match(output, /^found whole \d+\n/);
      for (const [, name, digest = ''] of output.matchAll(/^sent (\S+ \d+) (\S{64})$/gm)) {
        const key = String(name);
        assert.is(sent.get(key) ?? digest, digest, 'a chain was told twice');
        sent.set(key, digest);
      }
    }
    assert.ok(sent.size > 50, `${sent.size} receipts`);
  }),
);
native.after(() => rmSync(temp, { recursive: true }));
native.run();

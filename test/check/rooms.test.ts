import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRooms, render, violations } from '../../build/rooms.ts';

const rooms = suite('rooms');

const cases = [
  { name: 'core imports core', file: 'agent/core/a.ts', source: "import { b } from './b.ts';", want: '' },
  {
    name: 'core imports an adapter',
    file: 'agent/core/a.ts',
    source: "import { b } from '../adapters/uci.ts';",
    want: 'core may not import',
  },
  {
    name: 'a type is an import too',
    file: 'agent/core/a.ts',
    source: "import type { B } from '../adapters/uci.ts';",
    want: 'core may not import',
  },
  {
    name: 'so is an import type node',
    file: 'agent/core/a.ts',
    source: "let b: import('../host/node.ts').B;",
    want: 'core may not import',
  },
  { name: 'and a re-export', file: 'agent/core/a.ts', source: "export * from '../wire/cose.ts';", want: 'core may not import' },
  { name: 'and a dynamic import', file: 'agent/core/a.ts', source: "const b = await import('node:fs');", want: 'core may not import' },
  { name: 'adapters are strangers', file: 'agent/adapters/a.ts', source: "import { b } from './b.ts';", want: 'composition root' },
  { name: 'noble only in crypto', file: 'agent/wire/a.ts', source: "import { sign } from '@noble/ed25519';", want: 'wire may not import' },
  { name: 'an oracle of the tests', file: 'agent/wire/a.ts', source: "import { encode } from 'cbor-x';", want: 'wire may not import' },
  { name: 'crypto imports noble', file: 'agent/crypto/a.ts', source: "import { sign } from '@noble/ed25519';", want: '' },
  { name: 'the loop knows no adapter', file: 'agent/loop.ts', source: "import { b } from './adapters/b.ts';", want: 'loop may not import' },
  {
    name: 'nor does the warden',
    file: 'agent/warden.ts',
    source: "import { b } from './adapters/b.ts';",
    want: 'loop may not import',
  },
  { name: 'a root imports everything', file: 'agent/agent.ts', source: "import { b } from './adapters/b.ts';", want: '' },
  { name: 'out of the house', file: 'agent/core/a.ts', source: "import { b } from '../../test/b.ts';", want: 'core may not import' },
  { name: 'a room nobody knows', file: 'agent/helpers/a.ts', source: '', want: 'there is no room' },
  {
    name: 'a coordinator decides purely',
    file: 'coordinator/core/a.ts',
    source: "import { b } from '../../agent/wire/cose.ts';",
    want: 'may not',
  },
  { name: 'and has the formats', file: 'coordinator/a.ts', source: "import { b } from '../agent/wire/cose.ts';", want: '' },
  {
    name: 'and no host of a router',
    file: 'coordinator/a.ts',
    source: "import { b } from '../agent/host/node.ts';",
    want: "shares the messages' formats",
  },
  {
    name: 'nor its adapters',
    file: 'coordinator/adapters/a.ts',
    source: "import { b } from '../../agent/adapters/uci.ts';",
    want: 'may not',
  },
];
for (const c of cases) {
  rooms(c.name, () => {
    const found = violations(new Map([[c.file, c.source]])).map(render);
    if (c.want === '') assert.equal(found, []);
    else assert.match(found.join('\n'), c.want);
  });
}

rooms('the house keeps its own rules', () => {
  assert.equal(violations(readRooms('.')).map(render), []);
});

rooms('the check fails with the reason when core imports an adapter', () => {
  const root = mkdtempSync(join(tmpdir(), 'weir-rooms-'));
  try {
    mkdirSync(join(root, 'agent/core'), { recursive: true });
    writeFileSync(join(root, 'agent/core/quota.ts'), "import type { Uci } from '../adapters/uci.ts';\nexport type Quota = Uci;\n");
    const run = spawnSync(process.execPath, ['scripts/run.mjs', 'build/rooms.ts', root], { encoding: 'utf8' });
    assert.is(run.status, 1);
    assert.match(run.stderr, 'agent/core/quota.ts:1: imports agent/adapters/uci.ts: core may not import it: core decides');
  } finally {
    rmSync(root, { recursive: true });
  }
});

rooms.run();

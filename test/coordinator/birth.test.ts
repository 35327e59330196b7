// Births of nodes, told to the roll in a database: what begins an epoch there, and what only leaves a note.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Birth } from '../../agent/core/birth.ts';
import type { Nonce } from '../../agent/core/signed.ts';
import * as registry from '../../coordinator/registry.ts';
import * as ground from './ground.ts';
import * as nodes from './node.ts';

const { database, stop } = await ground.begin('PGlite');
const epochOf = (name: string): Nonce => nodes.some(name, 16) as Nonce;
const first = { epoch: epochOf('first'), starts: 7 };
const uncounted = { epoch: epochOf('uncounted'), starts: null };

const births: readonly Readonly<{
  name: string;
  in: readonly Partial<Birth>[];
  want: Nonce | null;
  standing?: string;
  findings: string;
}>[] = [
  { name: 'a start that is counted', in: [first], want: first.epoch, findings: '' },
  { name: 'one that is not', in: [uncounted], want: null, findings: 'missing birth.starts' },
  { name: 'one that is not, behind one that is', in: [first, uncounted], want: first.epoch, findings: 'missing birth.starts' },
  {
    name: 'two that are not, and the next one that is',
    in: [first, uncounted, { ...uncounted, epoch: epochOf('again') }, { epoch: epochOf('mended'), starts: 8 }],
    want: epochOf('mended'),
    findings: 'missing birth.starts, missing birth.starts',
  },
  {
    name: 'a copy, behind one that is not',
    in: [first, uncounted, { epoch: epochOf('copy'), starts: 7 }],
    want: first.epoch,
    standing: 'quarantined',
    findings: 'missing birth.starts, forged birth.starts',
  },
];
const told = suite('births, told to the roll');
for (const { name, in: said, want, standing = 'active', findings } of births)
  told(name, async () => {
    const node = nodes.nodeOf(name);
    await database.transaction(async (query) => {
      await registry.admit(query, node.key, 'fleet', 1);
      for (const one of said) assert.ok((await registry.takeBirth(query, node.id, node.born(one), 2)).ok);
      const known = await registry.nodeOf(query, node.id);
      assert.equal([known?.epoch, known?.standing], [want, standing]);
      const found = await query<{ code: string; path: string }>('select code, path from finding where node = $1 order by id', [node.id]);
      assert.is(found.map(({ code, path }) => `${code} ${path}`).join(', '), findings);
    });
  });
told.after(stop);
told.run();

// What a start writes first, on a flash that takes nothing.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as books from '../../agent/book.ts';
import { seconds } from '../../agent/core/brand.ts';
import { portable } from '../../agent/crypto/sha.ts';
import type { Host } from '../../agent/ports/host.ts';
import { manual } from '../fakes/clock.ts';
import { flash, type Trouble } from '../fakes/flash.ts';
import { must } from './ground.ts';

const book = suite('book');
for (const trouble of ['full', 'read-only'] as const satisfies readonly Trouble[])
  book(`${trouble}: a start is told as a new one, and written with what comes next`, () => {
    const [files, clock] = [flash(), { ...manual(), bootId: () => '0'.repeat(32) }];
    const said: string[] = [];
    const host = {
      kind: 'node',
      ...portable,
      files,
      clock,
      random: (n: number) => new Uint8Array(n),
      log: (line: string) => said.push(line),
    };
    const start = () =>
      must(books.open(host as unknown as Host, '/agent', () => ({ at: clock.monotonic(), wall: { at: seconds(0), trust: 'unknown' } })));
    const startsOf = ({ store }: books.Book): number => store.state().starts;
    assert.is(startsOf(start()), 1);
    files.set(trouble);
    // With the number of the start before, and another epoch, its birth would be that of a copy.
    const second = start();
    assert.is(startsOf(second), 2);
    assert.is(said.length, 1, said.join());
    files.set('none');
    must(second.store.commit([]));
    assert.is(startsOf(start()), 3);
  });
book.run();

// What a start writes first, on a flash that takes nothing.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as books from '../../agent/book.ts';
import { seconds } from '../../agent/core/brand.ts';
import { ok } from '../../agent/core/result.ts';
import { portable } from '../../agent/crypto/sha.ts';
import type { Host } from '../../agent/ports/host.ts';
import { readBirth } from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { encode } from '../../agent/wire/nameplate.ts';
import { manual } from '../fakes/clock.ts';
import { flash, type Trouble } from '../fakes/flash.ts';
import { must } from './ground.ts';

const plate = encode({ model: 'Fake', name: 'fake,router', addresses: ['02:00:00:00:00:01'] });
const bus = { call: async () => ok(plate) } as unknown as Bus;
const book = suite('book');
for (const trouble of ['full', 'read-only'] as const satisfies readonly Trouble[])
  book(`${trouble}: a start is told without its number, which may come again`, async () => {
    const [files, clock] = [flash(), { ...manual(), bootId: () => '0'.repeat(32) }];
    const said: string[] = [];
    const stat: Host['files']['stat'] = (path) => {
      const bytes = files.read(path, 4096);
      return bytes.ok ? ok({ kind: 'file', size: bytes.value.length, mode: 0o600, uid: 0 }) : bytes;
    };
    const host = {
      kind: 'node',
      ...portable,
      files: { ...files, stat },
      clock,
      process: { uid: 0 },
      random: (n: number) => new Uint8Array(n),
      log: (line: string) => said.push(line),
    };
    const start = () =>
      must(books.open(host as unknown as Host, '/agent', () => ({ at: clock.monotonic(), wall: { at: seconds(0), trust: 'unknown' } })));
    const startsOf = ({ store }: books.Book): number => store.state().starts;
    /** As its birth says. */
    const toldOf = async (it: books.Book): Promise<number | null> => {
      must(await it.identify(bus));
      const signed = must(cose.decode(it.compose({ kind: 'birth', sequence: 1, tunnel: null })));
      return must(readBirth(signed, portable)).starts;
    };
    const first = start();
    assert.equal([startsOf(first), await toldOf(first)], [1, 1]);
    files.set(trouble);
    // With the number of a start before, and another epoch, its birth would be that of a copy.
    for (const again of [start(), start()]) assert.equal([startsOf(again), await toldOf(again)], [2, null]);
    const last = start();
    assert.is(said.length, 3, said.join());
    files.set('none');
    assert.is(await toldOf(last), 2, 'it is written as soon as that works');
    assert.is(await toldOf(start()), 3);
  });
book.run();

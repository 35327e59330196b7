import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as boots from '../../agent/core/boot.ts';
import type { BootId } from '../../agent/core/signed.ts';

const [a, b] = ['a'.repeat(16) as BootId, 'b'.repeat(16) as BootId];
const boot = suite('boots');
const rows: readonly (readonly [name: string, last: boots.Note | null, before: boots.End])[] = [
  ['the first of all', null, 'unknown'],
  ['after an orderly end', { boot: a, isOver: true, before: 'sudden' }, 'orderly'],
  ['after no word', { boot: a, isOver: false, before: 'orderly' }, 'sudden'],
  ['a restart of the agent keeps what is known', { boot: b, isOver: true, before: 'sudden' }, 'sudden'],
  ['a crash of the agent, too', { boot: b, isOver: false, before: 'orderly' }, 'orderly'],
];
for (const [name, last, before] of rows) boot(name, () => assert.equal(boots.begin(b, last), { boot: b, isOver: false, before }));
for (const before of boots.ends)
  for (const isOver of [true, false])
    boot(`${before}, ${isOver}: there and back`, () => {
      const note = { boot: a, isOver, before };
      assert.equal(boots.parse(boots.render(note)), note);
      for (let end = 0; end < boots.render(note).length; end++) assert.is(boots.parse(boots.render(note).slice(0, end)), null);
    });
boot.run();

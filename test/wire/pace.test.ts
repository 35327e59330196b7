import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as home from '../../agent/core/home.ts';
import * as pace from '../../agent/wire/pace.ts';
import { hexOf } from './hex.ts';

const filled = (level: number): readonly string[] =>
  pace.changes(level).flatMap((c) => (c.kind === 'add-elements' ? [`${c.set} ${c.elements.map(({ key }) => hexOf(key)).join(' ')}`] : []));
const emptied = (level: number): readonly string[] => pace.changes(level).flatMap((c) => (c.kind === 'flush-set' ? [c.set] : []));

const changes = suite('pace: changes');
changes('every set is emptied, and those up to the level are filled for both protocols', () => {
  for (const level of [0, 1, home.rungs]) assert.is(new Set(emptied(level)).size, home.rungs);
  assert.equal(filled(0), []);
  assert.equal(filled(2), ['pace0 0800 86dd', 'pace1 0800 86dd']);
  assert.is(filled(home.rungs).length, home.rungs);
});
changes('a set is emptied before it is filled', () => {
  const kinds = pace.changes(home.rungs).map(({ kind }) => kind);
  assert.equal(kinds, Array.from({ length: home.rungs }, () => ['flush-set', 'add-elements']).flat());
});
changes.run();

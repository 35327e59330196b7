// The agent asks whose it is: over a coordinator that is there, is not, says yes, and says no.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import type { Answer, Code } from '../../agent/core/enrol.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { Digest, KeyId } from '../../agent/core/signed.ts';
import * as enrolling from '../../agent/enrolling.ts';
import { manual } from '../fakes/clock.ts';

const claim = (name: string): enrolling.Claim => ({
  root: name as KeyId,
  code: 'abcdefgh2345wxyzmnop' as Code,
  mark: `mark of ${name}` as Digest,
});
const [one, two] = [claim('one'), claim('two')];
const no: Answer = { kind: 'refused', code: 'expired', path: 'code', reason: 'was good until yesterday' };

function begin(kept: readonly string[] = []) {
  const clock = manual();
  const m = { isConnected: true, asked: [] as [string, number][], kept, sent: ok(undefined) as Result<void>, lines: [] as string[] };
  const it = enrolling.open({
    clock,
    isConnected: () => m.isConnected,
    async ask({ root }) {
      m.asked.push([root, clock.monotonic() / 1000]);
      return m.sent;
    },
    recall: () => m.kept,
    keep(marks) {
      m.kept = marks;
      return ok(undefined);
    },
    log: (line) => void m.lines.push(line),
  });
  return { m, it, passing: (seconds: number) => clock.advance(millis(1000 * seconds)) };
}
const said =
  (by: string, answer: Answer = { kind: 'enrolled' }) =>
  (root: KeyId): Result<Answer> =>
    by === root ? ok(answer) : fail('stranger', 'key', 'of another root than the one that was asked');

const test = suite('enrolling');
test('asks at once, and then after 1, 2, 4 … 60 minutes', () => {
  const { m, it, passing } = begin();
  it.claim([one]);
  passing(4 * 3600);
  const minutes = m.asked.map(([, at]) => at / 60);
  assert.equal(minutes, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
});
test('waits for a link', () => {
  const { m, it, passing } = begin();
  m.isConnected = false;
  it.claim([one]);
  passing(3600);
  assert.equal(m.asked, []);
  m.isConnected = true;
  passing(5);
  assert.equal(m.asked, [['one', 3605]]);
});
test('taken, it writes that down and asks no more', () => {
  const { m, it, passing } = begin();
  it.claim([one]);
  assert.equal(it.heard(said('one')), { ok: true, value: { root: 'one', answer: { kind: 'enrolled' } } });
  passing(86_400);
  assert.is(m.asked.length, 1);
  assert.equal(m.kept, [one.mark]);
  assert.equal(it.status(), ['one: enrolled']);
});
test('refused, it says so and asks no more, and nothing is written', () => {
  const { m, it, passing } = begin();
  it.claim([one]);
  assert.equal(it.heard(said('one', no)), { ok: true, value: { root: 'one', answer: no } });
  passing(86_400);
  assert.is(m.asked.length, 1);
  assert.equal(m.kept, []);
  assert.equal(it.status(), ['one: refused: code: was good until yesterday (expired)']);
});
test('who has taken it before is not asked', () => {
  const { m, it, passing } = begin([one.mark]);
  it.claim([one, two]);
  passing(1);
  assert.equal(m.asked, [['two', 0]]);
  assert.equal(it.status(), ['one: enrolled', 'two: asked 1 times']);
});
test('two of them, each by its own word, and both stay written down', () => {
  const { m, it } = begin();
  it.claim([one, two]);
  it.heard(said('two'));
  assert.equal(it.status(), ['one: asked 1 times', 'two: enrolled']);
  it.heard(said('one'));
  assert.equal(m.kept, [one.mark, two.mark]);
});
test("a stranger's answer, and one that nobody waits for, change nothing", () => {
  const { it } = begin();
  const codeOf = (by: string): string | null => {
    const taken = it.heard(said(by));
    return taken.ok ? null : taken.fault.code;
  };
  assert.is(codeOf('one'), 'stale');
  it.claim([one]);
  assert.is(codeOf('two'), 'stranger');
  assert.equal(it.status(), ['one: asked 1 times']);
});
test('what could not be sent is said, and sent later', async () => {
  const { m, it, passing } = begin();
  m.sent = fail('closed', 'link', 'went away');
  it.claim([one]);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(m.lines, ['enrol: one could not be asked: link: went away (closed)']);
  passing(65);
  assert.is(m.asked.length, 2);
});
test('other settings take the place of the first', () => {
  const { m, it, passing } = begin();
  it.claim([one]);
  it.claim([]);
  passing(3600);
  assert.equal([m.asked.length, it.status()], [1, []]);
});
test.run();

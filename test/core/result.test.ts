import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { all, fail, fault, ok, text, under } from '../../agent/core/result.ts';

const result = suite('result');
result('a fault from further out keeps its code and its reason', () => {
  const inner = fault('limit', 'rate', 'too fast');
  assert.equal(under('grant', inner), { code: 'limit', path: 'grant.rate', reason: 'too fast' });
  assert.is(under('grant', { ...inner, path: '' }).path, 'grant');
  assert.equal([text(inner), text({ ...inner, path: '' })], ['rate: too fast (limit)', 'too fast (limit)']);
});
result('all of them, or the first fault', () => {
  assert.equal(all({ a: ok(1), b: ok('two') }), ok({ a: 1, b: 'two' }));
  const [no, later] = [fail('missing', 'b', 'first'), fail('missing', 'c', 'later')];
  assert.is(all({ a: ok(1), b: no, c: later }), no);
});
result.run();

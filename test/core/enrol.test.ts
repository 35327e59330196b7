import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as enrol from '../../agent/core/enrol.ts';

const codes = suite('codes');
for (const [name, text, want] of [
  ['plain', 'abcdefgh2345wxyzmnop', 'abcdefgh2345wxyzmnop'],
  ['as people write it', 'ABCD-efgh 2345-wxyz-MNOP', 'abcdefgh2345wxyzmnop'],
  ['too short', 'abcdefgh2345wxyzmno', null],
  ['too long', 'abcdefgh2345wxyzmnopq', null],
  ['a digit that base32 has not', 'abcdefgh2345wxyzmno1', null],
  ['nothing', '', null],
] as const)
  codes(name, () => {
    const parsed = enrol.parseCode(text);
    if (want === null)
      assert.equal(parsed, { ok: false, fault: { code: 'malformed', path: '', reason: 'expected 20 letters and digits from 2 to 7' } });
    else assert.equal(parsed, { ok: true, value: want });
  });
const root = '0f'.repeat(32);
for (const [name, text, want] of [
  ['alone', 'abcd-efgh-2345-wxyz-mnop', null],
  ['with its root', `abcd-efgh-2345-wxyz-mnop@${root}`, root],
] as const)
  codes(`a claim ${name}`, () => assert.equal(enrol.parseClaim(text), { ok: true, value: { code: 'abcdefgh2345wxyzmnop', root: want } }));
for (const [name, text] of [
  ['another root', `abcd-efgh-2345-wxyz-mnop@${root}0`],
  ['no root', 'abcd-efgh-2345-wxyz-mnop@'],
  ['no code', `@${root}`],
  ['two roots', `abcd-efgh-2345-wxyz-mnop@${root}@${root}`],
] as const)
  codes(`no claim: ${name}`, () => {
    const parsed = enrol.parseClaim(text);
    assert.is(parsed.ok ? null : parsed.fault.code, 'malformed');
  });
codes('is named by its first letters', () => assert.is(enrol.nameOf('abcdefgh2345wxyzmnop' as enrol.Code), 'abcd'));
for (const [asked, minutes] of [
  [0, 1],
  [1, 2],
  [5, 32],
  [6, 60],
  [1000, 60],
] as const)
  codes(`asked ${asked} times it waits ${minutes} min`, () => assert.is(enrol.patience(asked), 60_000 * minutes));
codes.run();

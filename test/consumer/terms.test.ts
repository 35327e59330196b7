import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as terms from '../../agent/consumer/terms.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as story from '../wire/story.ts';

const hex = (signed: cose.Signed): string => hexOf(cose.encode(signed));
const birth = hex(story.sign('birth', story.birth, 'node'));
const certificate = hex(story.sign('certificate', story.certificate, 'root'));
const [first, second] = [hex(story.signedFirst), hex(story.signedSecond)];
const own = { ...story.first, nonce: '00'.repeat(16) };
const { root, node, coordinator } = { root: story.keyOf('root'), node: story.keyOf('node'), coordinator: story.keyOf('coordinator') };
const mayNotGrant = hex(story.sign('certificate', { ...story.certificate, may: ['command'] }, 'root'));
const strangersBirth = hex(story.sign('birth', { ...story.birth, key: story.keyOf('stranger') }, 'stranger'));
const raised = { ...story.second, price: null };

const cases: readonly Readonly<{ name: string; lines: readonly string[]; trusted: readonly (typeof root)[]; want: string }>[] = [
  { name: 'of a certified coordinator', lines: [birth, certificate, first, second], trusted: [root], want: `1 of ${story.session}` },
  { name: 'of a coordinator whose key is given', lines: [birth, first], trusted: [coordinator], want: `0 of ${story.session}` },
  { name: 'the node’s key is given, too', lines: [first], trusted: [coordinator, node], want: `0 of ${story.session}` },
  { name: 'of the owner', lines: [birth, hex(story.sign('grant', own, 'node'))], trusted: [], want: '0 of *' },
  { name: 'with a comment', lines: ['# mine', '', birth, first], trusted: [coordinator], want: `0 of ${story.session}` },
  { name: 'no root', lines: [birth, certificate, first], trusted: [], want: 'stranger certificate' },
  { name: 'a coordinator that nobody vouches for', lines: [birth, first], trusted: [], want: 'stranger grant' },
  { name: 'one that may not grant', lines: [birth, mayNotGrant, first], trusted: [root], want: 'stranger grant' },
  {
    name: 'another node grants',
    lines: [birth, strangersBirth, hex(story.sign('grant', own, 'stranger'))],
    trusted: [],
    want: 'denied grant',
  },
  { name: 'no birth', lines: [first], trusted: [coordinator], want: 'stranger node' },
  { name: 'nothing', lines: [], trusted: [], want: 'missing grant' },
  { name: 'somebody else’s', lines: [birth, hex(story.sign('grant', story.friend, 'node'))], trusted: [], want: 'missing grant' },
  { name: 'what follows alone', lines: [birth, second], trusted: [coordinator], want: 'missing grant' },
  {
    name: 'two sessions',
    lines: [birth, first, hex(story.sign('grant', own, 'node'))],
    trusted: [coordinator],
    want: 'exists grant',
  },
  {
    name: 'another price on the way',
    lines: [birth, first, hex(story.sign('grant', raised, 'coordinator'))],
    trusted: [coordinator],
    want: 'denied grant.price',
  },
  {
    name: 'a forged grant',
    lines: [birth, hex({ ...story.signedFirst, signature: story.signedSecond.signature })],
    trusted: [coordinator],
    want: 'forged signature',
  },
  { name: 'no hex', lines: ['grant'], trusted: [], want: 'malformed line 1' },
  { name: 'no message', lines: ['00'], trusted: [], want: 'malformed message 1' },
];

const parse = suite('consumer: terms');
for (const { name, lines, trusted, want } of cases)
  parse(name, () => {
    const got = terms.parse(lines.join('\n'), trusted, story.keyOf('consumer'), hashes);
    const said = got.ok ? `${got.value.later.size} of ${got.value.anchor.session}` : `${got.fault.code} ${got.fault.path}`;
    assert.is(want.endsWith('*') ? `${said.slice(0, 5)}*` : said, want);
  });
parse('name node, price and what follows', () => {
  const got = terms.parse([birth, first, second].join('\n'), [coordinator], story.keyOf('consumer'), hashes);
  assert.equal(got, {
    ok: true,
    value: {
      node,
      anchor: { session: story.session, sequence: 0, digest: story.anchor },
      grant: story.first,
      later: new Set([story.topped]),
    },
  });
});
parse.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as argv from '../../agent/core/argv.ts';

const words = { 'NAME?': argv.matching(/^[a-z]+$/, 'letters') };
const options = { json: 'flag', quota: argv.text, port: argv.list(argv.matching(/^\d+$/, 'a number')) } as const;

const parse = suite('argv.parse');
const good = [
  { name: 'nothing', in: [], options: {}, words: [] },
  {
    name: 'a word, an option and a flag in any order',
    in: ['--json', 'ann', '--quota', '5G'],
    options: { json: true, quota: '5G' },
    words: ['ann'],
  },
  { name: 'with a sign between', in: ['--quota=5G=6'], options: { quota: '5G=6' }, words: [] },
  { name: 'an empty value is a value', in: ['--quota='], options: { quota: '' }, words: [] },
  { name: 'a value may look like an option', in: ['--quota', '--json'], options: { quota: '--json' }, words: [] },
  { name: 'a list', in: ['--port', '1,22'], options: { port: ['1', '22'] }, words: [] },
  { name: 'after -- all are words', in: ['--', 'json'], options: {}, words: ['json'] },
];
for (const c of good)
  parse(c.name, () => assert.equal(argv.parse(c.in, { options, words }), { ok: true, value: { options: c.options, words: c.words } }));

const bad = [
  { name: 'an unknown option', in: ['--qouta', '5G'], want: 'unsupported --qouta' },
  { name: 'one that every object has', in: ['--toString', '5G'], want: 'unsupported --toString' },
  { name: 'what is no name is not repeated', in: ['--se cret'], want: 'unsupported ' },
  { name: 'twice', in: ['--json', '--json'], want: 'malformed --json' },
  { name: 'a flag with a value', in: ['--json=1'], want: 'malformed --json' },
  { name: 'no value', in: ['--quota'], want: 'missing --quota' },
  { name: 'a value that cannot be read', in: ['--port', '1,x'], want: 'malformed --port' },
  { name: 'a word that cannot be read', in: ['x1'], want: 'malformed NAME?' },
  { name: 'after -- all are words, and read', in: ['--', '--json'], want: 'malformed NAME?' },
  { name: 'too many words', in: ['a', 'b'], want: 'malformed ' },
];
for (const c of bad)
  parse(c.name, () => {
    const parsed = argv.parse(c.in, { options, words });
    assert.is(!parsed.ok && `${parsed.fault.code} ${parsed.fault.path}`, c.want);
  });
parse('many words', () =>
  assert.equal(argv.parse(['a', 'b', 'c'], { options: {}, words: { 'FILE...': argv.text } }), {
    ok: true,
    value: { options: {}, words: ['a', 'b', 'c'] },
  }),
);
parse('a word too few', () => {
  const parsed = argv.parse([], { options: {}, words: { 'FILE...': argv.text } });
  assert.equal(parsed.ok || [parsed.fault.code, parsed.fault.path], ['missing', 'FILE...']);
});
parse('an option that has to be there', () => {
  const parsed = argv.parse(['--json'], { options, wanted: ['quota'] });
  assert.equal(parsed.ok || [parsed.fault.code, parsed.fault.path], ['missing', '--quota']);
});
parse.run();

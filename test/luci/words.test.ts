import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as words from '../../build/luci-words.ts';

const about = suite('the words of the LuCI app');

about('the template holds what is said: node scripts/run.mjs build/luci-words.ts', () => {
  assert.is(readFileSync(words.template, 'utf8'), words.renderTemplate());
});

for (const language of words.languages)
  about(`${language}: all of it, and nothing else`, () => {
    const translated = words.parse(readFileSync(words.catalogue(language), 'utf8'));
    assert.equal([...translated.keys()].sort(), [...words.said().keys()].sort());
  });

// By LuCI's own function in the browser; a byte above 127 is negative.
const hashes = [
  { text: 'of', want: 0x797bb4e9 },
  { text: 'Mon', want: 0x45ff5ebe },
  { text: 'Name', want: 0xd785d68e },
  { text: 'Guests’', want: 0xdd75025a },
  { text: 'Your household first', want: 0xb3494081 },
];
for (const { text, want } of hashes) about(`hash: ${text}`, () => assert.is(words.hash(text), want));

about('the table: texts, index, where the index is', () => {
  const made = words.lmo(new Map([['of', 'von']]));
  assert.is(
    made.toString('hex'),
    `${Buffer.from('von\0').toString('hex')}${words.hash('of').toString(16).padStart(8, '0')}000000010000000000000003${'00000004'}`,
  );
});

about.run();

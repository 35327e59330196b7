import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as endpoint from '../../agent/core/endpoint.ts';

const parse = suite('endpoint.parse');
const good = [
  ['home.example.net', { host: 'home.example.net', port: null }],
  ['home.example.net:443', { host: 'home.example.net', port: 443 }],
  ['11.1.0.2', { host: '11.1.0.2', port: null }],
  ['11.1.0.2:51820', { host: '11.1.0.2', port: 51_820 }],
  ['2A11:1::2', { host: '2a11:1::2', port: null }],
  ['[2a11:1::2]', { host: '2a11:1::2', port: null }],
  ['[2a11:1::2]:443', { host: '2a11:1::2', port: 443 }],
  ['router', { host: 'router', port: null }],
] as const;
for (const [text, want] of good) parse(text, () => assert.equal(endpoint.parse(text), want));
const bad = [
  ...['', ':', ':443', 'home:', 'home:0', 'home:65536', 'home:443:443', 'home:x', '-home', 'home-.net', 'a..b', 'ho me', 'home\n'],
  // An address with a digit too many is no name.
  ...[
    '11.1.0.256',
    '11.1.0',
    '11.1.0.2.',
    '[11.1.0.2]',
    '[home]:1',
    '[2a11::1',
    '2a11::1]',
    `${'a'.repeat(64)}.net`,
    `${'a.'.repeat(130)}net`,
  ],
];
for (const text of bad) parse(`${JSON.stringify(text)} is refused`, () => assert.is(endpoint.parse(text), null));
parse.run();

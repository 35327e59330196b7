import { encodeQR } from 'qr';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as console from '../../agent/wire/console.ts';
import * as wgquick from '../../agent/wire/wgquick.ts';
import * as plain from '../fakes/plain.ts';

const columns = suite('console.columns');
columns('as wide as the widest; numbers to the right; nothing behind the last', () =>
  assert.is(
    console.columns(
      [
        ['name', 'left', 'state'],
        ['ann', '20.0 GiB', 'open'],
        ['bartholomew', '1 B', ''],
      ],
      [1],
    ),
    'name             left  state\nann          20.0 GiB  open\nbartholomew       1 B\n',
  ),
);
columns.run();

const wrap = suite('console.wrap');
wrap('no line is longer than the console is wide', () => {
  const text = console.wrap(' BAD', Array(60).fill('twelve chars').join(' '));
  assert.ok(text.split('\n').every((line) => line.length < 80));
  assert.is(text.replace(/\s+/g, ' ').split('twelve').length, 61);
});
wrap('a word that is longer stands alone', () =>
  assert.is(console.wrap('', `a ${'b'.repeat(90)} c`, 2), `  a\n  ${'b'.repeat(90)}\n  c\n`),
);
wrap.run();

const profile: wgquick.Profile = {
  secret: 'kGZa0cg1uDh1/UC564vkPjeQY7PUajpO1wlwHFYLcm0=',
  address4: '10.213.0.2',
  address6: 'fd00:64::2',
  dns: ['11.9.0.1', '2a11:9::1'],
  mtu: 1420,
  key: 'MWFT46JCPUopQBsEmnOPXtg2o1RYQK/ZxaHMlg9PDSQ=',
  endpoint: 'home.example:51820',
};

const config = suite('wgquick.render');
config('whole', () =>
  assert.is(
    wgquick.render(profile),
    `[Interface]
PrivateKey = kGZa0cg1uDh1/UC564vkPjeQY7PUajpO1wlwHFYLcm0=
Address = 10.213.0.2/32, fd00:64::2/128
DNS = 11.9.0.1, 2a11:9::1
MTU = 1420

[Peer]
PublicKey = MWFT46JCPUopQBsEmnOPXtg2o1RYQK/ZxaHMlg9PDSQ=
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = home.example:51820
PersistentKeepalive = 25
`,
  ),
);
config('without what is not known', () => {
  const text = wgquick.render({ ...profile, secret: null, dns: [] });
  assert.not.match(text, /^(PrivateKey|DNS)/m);
  assert.match(text, /^Address = .*\nMTU/m);
});
config.run();

/** What a camera sees of it: rows of light and dark. */
function seen(text: string): boolean[][] {
  const rows: boolean[][] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    const [head, tail] = ['\x1b[30;47;107m', '\x1b[0m'];
    assert.ok(line.startsWith(head) && line.endsWith(tail));
    const cells = line.slice(head.length, -tail.length);
    assert.match(cells, /^[ ▀▄█]+$/);
    rows.push(
      [...cells].map((c) => c === '▀' || c === '█'),
      [...cells].map((c) => c === '▄' || c === '█'),
    );
  }
  return rows;
}

const pixels = suite('console.pixels');
// The longest: no DNS name, full IPv6 everywhere.
const long = wgquick.render({
  ...profile,
  address6: 'fd00:1111:2222:3333:4444:5555:6666:7777',
  address4: '100.100.100.100',
  dns: ['2a11:1111:2222:3333:4444:5555:6666:7777', '2a11:1111:2222:3333:4444:5555:6666:8888'],
  endpoint: '[2a11:1111:2222:3333:4444:5555:6666:9999]:51820',
});
for (const [name, text] of [
  ['a usual configuration', wgquick.render(profile)],
  ['a long one', long],
] as const)
  pixels(`${name}: every pixel, in a quiet zone, within the console`, () => {
    const dark = encodeQR(text, 'raw', { ecc: 'low', border: 1 })
      .slice(1, -1)
      .map((row) => row.slice(1, -1));
    const drawn = console.pixels(dark);
    assert.ok(drawn);
    const rows = seen(drawn ?? '');
    const width = rows[0]?.length ?? 0;
    const border = (width - dark.length) / 2;
    assert.ok(border >= 2 && width <= 79, `${width}`);
    for (const [y, row] of rows.entries())
      for (const [x, pixel] of row.entries()) assert.is(pixel, dark[y - border]?.[x - border] === true, `${x} ${y}`);
  });
pixels('wider than the console: none', () => assert.is(console.pixels(Array(77).fill(Array(77).fill(true))), null));
pixels.run();

const json = suite('console.json');
json('as the bus writes it, whatever the width of a number', () => {
  const t = plain.table({ a: 1, b: 1n << 60n, c: true, d: ['x', null], e: { f: 'é"\n' } });
  assert.is(console.json(blobmsg.nested(t)), '{"a":1,"b":1152921504606846976,"c":true,"d":["x",null],"e":{"f":"é\\"\\n"}}');
});
json.run();

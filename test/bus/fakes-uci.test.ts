// UCI text: what the fake reads out of it and writes, and the real `uci` command's word on the same text where it is on PATH.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isHere } from '../fakes/real-router.ts';
import * as uciFile from '../fakes/uci-file.ts';

const cases = [
  { name: 'nothing', in: '', want: '\n' },
  { name: 'comments and blanks', in: '# a\n\n  config  a\tb # c\n#d\n', want: "\nconfig a 'b'\n\n" },
  { name: 'no line end', in: 'config a b', want: "\nconfig a 'b'\n\n" },
  {
    name: 'quotes',
    in: `config a "b"\noption x 'it'"'"s\\ here\noption y "a \\"b\\" 'c'"`,
    want: "\nconfig a 'b'\n\toption x 'it'\\''s here'\n\toption y 'a \"b\" '\\''c'\\'''\n\n",
  },
  { name: 'a value of two lines', in: "config a\n\toption x 'one\n\ttwo'\n", want: "\nconfig a\n\toption x 'one\n\ttwo'\n\n" },
  {
    name: 'a hash in quotes',
    in: "config a\n\toption x 'a # b'\n\toption y a#b\n",
    want: "\nconfig a\n\toption x 'a # b'\n\toption y 'a'\n\n",
  },
  { name: 'an option twice', in: 'config a\noption x 1\noption y 2\noption x 3\n', want: "\nconfig a\n\toption x '3'\n\toption y '2'\n\n" },
  {
    name: 'an option that becomes a list',
    in: 'config a\noption x 1\nlist x 2\nlist x 3\n',
    want: "\nconfig a\n\tlist x '1'\n\tlist x '2'\n\tlist x '3'\n\n",
  },
  { name: 'an empty option', in: "config a\n\toption x ''\n\toption y\n", want: '\nconfig a\n\n' },
  {
    name: 'a section in two parts',
    in: 'config a b\noption x 1\nconfig c d\nconfig a b\noption y 2\n',
    want: "\nconfig a 'b'\n\toption x '1'\n\toption y '2'\n\nconfig c 'd'\n\n",
  },
  { name: 'a type with a dash', in: 'config b-c d_e\n', want: "\nconfig b-c 'd_e'\n\n" },
  { name: 'a section of another type', in: 'config a b\nconfig c b\n', want: null, at: 'line 2' },
  { name: 'an open quote', in: "config a\n\toption x 'one\n", want: null, at: 'line 2' },
  { name: 'an option before its section', in: 'option x 1\n', want: null, at: 'line 1' },
  { name: 'a word unknown', in: 'config a\nopt x 1\n', want: null, at: 'line 2' },
  { name: 'a section without a type', in: 'config\n', want: null, at: 'line 1' },
  { name: 'an option without a name', in: 'config a\noption\n', want: null, at: 'line 2' },
  { name: 'an option with a dash', in: 'config a\n\toption x-y 1\n', want: null, at: 'line 2' },
  { name: 'a section with a dash', in: 'config a b-c\n', want: null, at: 'line 1' },
  { name: 'a word too many', in: 'config a b c\n', want: null, at: 'line 1' },
];

const fake = suite('fake uci text');
for (const c of cases) {
  fake(c.name, () => {
    const parsed = uciFile.parse(c.in);
    if (c.want !== null) return assert.is(parsed.ok ? uciFile.render(parsed.value) : parsed.fault.reason, c.want);
    assert.is(parsed.ok, false);
    if (!parsed.ok) assert.equal([parsed.fault.code, parsed.fault.path], ['malformed', c.at]);
  });
}
fake.run();

if (isHere('uci')) {
  const real = suite('real uci text');
  const dir = mkdtempSync(join(tmpdir(), 'weir-uci-'));
  for (const c of cases) {
    real(c.name, () => {
      writeFileSync(join(dir, 'c'), c.in);
      const { status, stdout } = spawnSync('uci', ['-c', dir, '-P', dir, 'export', 'c'], { encoding: 'utf8' });
      assert.is(status === 0 ? stdout : null, c.want === null ? null : `package c\n${c.want}`);
    });
  }
  real.after(() => rmSync(dir, { recursive: true }));
  real.run();
}

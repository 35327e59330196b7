// Whoever reads that a test shows something finds the test.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const docs = suite('docs');

/** A file, a folder, or the beginning of the names of some. */
const isThere = (path: string): boolean =>
  existsSync(path) ||
  (existsSync(dirname(path)) && readdirSync(dirname(path)).some((name) => name.startsWith(basename(path).replace('*', ''))));

for (const page of ['SECURITY-CASE', 'THREATS', 'OPERATIONS'])
  docs(`${page} names tests that are there`, () => {
    const named = readFileSync(`docs/${page}.md`, 'utf8').match(/(?<=`)test\/[^` ]+(?=`)/g) ?? [];
    assert.ok(named.length > 1);
    assert.equal(
      named.filter((path) => !isThere(path)),
      [],
    );
  });

docs.run();

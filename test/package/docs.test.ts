// Whoever reads that a test shows something finds the test, and whoever follows a link finds a page.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const docs = suite('docs');

/** A file, a folder, or the beginning of the names of some. */
const isThere = (path: string): boolean =>
  existsSync(path) ||
  (existsSync(dirname(path)) && readdirSync(dirname(path)).some((name) => name.startsWith(basename(path).replace(/\*.*/, ''))));

for (const page of ['ARCHITECTURE', 'SECURITY-CASE', 'THREATS', 'OPERATIONS'])
  docs(`${page} names tests that are there`, () => {
    const named = readFileSync(`docs/${page}.md`, 'utf8').match(/(?<=`)test\/[^` ]+(?=`)/g) ?? [];
    assert.ok(named.length > 1);
    assert.equal(
      named.filter((path) => !isThere(path)),
      [],
    );
  });

const pages = [...readdirSync('.'), ...readdirSync('docs').map((name) => `docs/${name}`)].filter((name) => name.endsWith('.md'));
docs('each link within the project leads somewhere', () => {
  const links = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to = '']) => join(dirname(page), to)),
  );
  assert.ok(pages.length > 8 && links.length > 20);
  assert.equal(
    links.filter((path) => !existsSync(path)),
    [],
  );
});

docs.run();

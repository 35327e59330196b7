// The table in docs/PROTOCOL.md is the fields of the code.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fields } from '../../agent/core/telemetry.ts';

const table = suite('fields');
table('are those of the documentation, line by line', () => {
  const lines = readFileSync('docs/PROTOCOL.md', 'utf8').match(/^\| \d+ \| `\w+` \|.*(?= \| \S.* \|$)/gm);
  assert.equal(
    lines,
    Object.entries(fields).map(([name, { id, kind, group, unit }]) => `| ${id} | \`${name}\` | ${kind} | ${group} | ${unit}`),
  );
});
table.run();

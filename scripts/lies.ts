// Writes the table of lies into docs/THREATS.md. node scripts/run.mjs scripts/lies.ts

import { readFileSync, writeFileSync } from 'node:fs';
import { page, place, render, rows } from '../test/consumer/lies.ts';

const table = render(rows());
writeFileSync(
  page,
  readFileSync(page, 'utf8').replace(place, () => `<!-- lies -->\n${table}\n<!-- end of lies -->`),
);

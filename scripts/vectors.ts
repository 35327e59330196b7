// Writes test/vectors/signed.json. node scripts/run.mjs scripts/vectors.ts

import { writeFileSync } from 'node:fs';
import { vectors } from '../test/wire/vectors.ts';

writeFileSync('test/vectors/signed.json', `${JSON.stringify(vectors(), null, 1)}\n`);

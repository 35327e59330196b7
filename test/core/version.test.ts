import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { version } from '../../agent/core/version.ts';

test('the version is that of the package', () => assert.is(version, JSON.parse(readFileSync('package.json', 'utf8')).version));
test.run();

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import { host } from '../../agent/host/node.ts';
import { testIdentity } from './kept/identity.ts';
import { passesNatively } from './kept/native.ts';

const temp = mkdtempSync(join(tmpdir(), 'weir-kept-'));
testIdentity(host, temp);

const native = suite('identity: on the C host');
native('the same', () => passesNatively('test/host/kept/identity-program.ts'));
native.after(() => rmSync(temp, { recursive: true }));
native.run();

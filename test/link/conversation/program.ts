// The conversation as a program of a QuickJS host: its argument is the Fixture as JSON.

import '../../../agent/host/globals.ts';
import '../../host/conformance/defer.ts';
import { exec } from 'uvu';
import { host } from '../../../agent/host/quickjs.ts';
import type { Fixture } from './fixture.ts';
import { converse } from './suite.ts';

converse(host, JSON.parse(String(host.process.args[0])) as Fixture);
await exec();
host.process.exit(0);

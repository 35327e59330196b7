// The identity's suites as a program of a QuickJS host: its argument is a folder.

import '../../../agent/host/globals.ts';
import { host } from '../../../agent/host/quickjs.ts';
import { testIdentity } from './identity.ts';

testIdentity(host, String(host.process.args[0]));

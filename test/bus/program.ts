// The client's suite as a program of a QuickJS host: its argument is the place as JSON.

import '../../agent/host/globals.ts';
import '../host/conformance/defer.ts';
import { exec } from 'uvu';
import { host } from '../../agent/host/quickjs.ts';
import { holdClient, type Place } from './client.ts';

const place = JSON.parse(String(host.process.args[0])) as Omit<Place, 'as'>;
holdClient({ ...place, as: () => host });
await exec();
host.process.exit(0);

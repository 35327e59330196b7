// What every host must do, written once against ports/host.ts. The drivers (test/host/*.test.ts) bring the host and the other ends.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Host } from '../../../agent/ports/host.ts';
import { datagrams } from './datagrams.ts';
import { files } from './files.ts';
import type { Fixture } from './fixture.ts';
import { globals } from './globals.ts';
import { violations } from './line.ts';
import { programs } from './programs.ts';
import { rest } from './rest.ts';
import { sockets } from './sockets.ts';
import { timers } from './timers.ts';
import { tls } from './tls.ts';

export function conform(host: Host, fixture: Fixture): void {
  globals(host);
  timers(host);
  files(host, fixture);
  sockets(host, fixture);
  datagrams(host, fixture);
  tls(host, fixture);
  programs(host, fixture);
  rest(host);
  const rules = suite('event rules');
  rules('no event inside a call, none after the end', () => assert.equal(violations, []));
  rules.run();
}

// `weir verify` on Node, without a router.

import { help, run } from '../agent/cli-verify.ts';
import { host } from '../agent/host/node.ts';

const args = process.argv.slice(2);
if (args.includes('--help')) host.print(help.verify);
else process.exitCode = await run(host, 'verify', args);

// The command line: finds the command and loads what it needs, and nothing else. Ends with 0, with 1 when something is not as it should be,
// with 2 for what it does not understand.

import './host/globals.ts';
import { version } from './core/version.ts';
import { host } from './host/quickjs.ts';
import type { Host } from './ports/host.ts';

const help = `usage: weir COMMAND

  status      what enforcer and agent do
  doctor      what is wrong, and how to mend it
  friend      sessions for friends: add, list, show, top-up, remove
  sessions    who has a session, and what is left of it
  receipts    what this router has signed for a session
  limits      the most that may be granted
  verify      checks receipts and whatever else was signed
  telemetry   what this router tells its broker of itself
  enrol       makes this router yours at a coordinator
  key         this router's own key: show, backup, restore
  setup       makes the tunnel's network and firewall zone
  share       begins to share, within the limits of /etc/config/weir
  pause       everybody out, and nobody in
  resume      ends the pause
  teardown    takes network and zone away again
  version     the version of Weir
  agent       the agent itself, as procd runs it
  enforcer    the enforcer itself, as procd runs it

weir COMMAND --help says more; with --json most answer for programs.
`;

type Group = Readonly<{
  help: Readonly<Record<string, string>>;
  run(host: Host, name: string, args: readonly string[]): Promise<number>;
}>;

const status = (): Promise<Group> => import('./cli-status.ts');
const owner = (): Promise<Group> => import('./cli-owner.ts');
const sessions = (): Promise<Group> => import('./cli-sessions.ts');
const tidings = (): Promise<Group> => import('./cli-tidings.ts');
const groups: ReadonlyMap<string, () => Promise<Group>> = new Map([
  ...['status', 'doctor'].map((name) => [name, status] as const),
  ...['setup', 'share', 'pause', 'resume', 'teardown'].map((name) => [name, owner] as const),
  ...['sessions', 'receipts', 'limits'].map((name) => [name, sessions] as const),
  ...['telemetry', 'enrol'].map((name) => [name, tidings] as const),
  ['friend', (): Promise<Group> => import('./cli-friend.ts')],
  ['key', (): Promise<Group> => import('./cli-key.ts')],
  ['verify', (): Promise<Group> => import('./cli-verify.ts')],
]);

async function run(name: string, args: readonly string[]): Promise<number> {
  if (args.every((arg) => arg === '--help') && (name === '--help' || name === 'version')) {
    host.print(name === 'version' && args.length === 0 ? `${version}\n` : help);
    return 0;
  }
  const load = groups.get(name);
  if (load === undefined) {
    host.log(`weir: no such command: ${[name, ...args].join(' ')}\n${help}`);
    return 2;
  }
  const group = await load();
  if (!args.includes('--help')) return group.run(host, name, args);
  host.print(`${group.help[name]}`);
  return 0;
}

const [name = '--help', ...args] = host.process.args;
void run(name, args).then(host.process.exit);

// The two grounds of the bus suite: the fake ubusd, and the real one when it is on PATH and we are root (it takes ACL files of root alone).
// The same three visitors come to both: root, a guest under an ACL, and somebody without a line in passwd.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { host } from '../../agent/host/node.ts';
import type { Host } from '../../agent/ports/host.ts';
import { startUbusd } from '../fakes/ubusd.ts';

export type Visitor = 'root' | 'guest' | 'nameless';
export type Ground = Readonly<{
  name: string;
  /** Of the socket that a visitor takes. */
  paths: Readonly<Record<Visitor, string>>;
  guest: Readonly<{ user: string; group: string }>;
  /** A host whose unix sockets are that visitor's. */
  as(visitor: Visitor): Pick<Host, 'net' | 'clock'>;
  /** Reads the ACL files anew, with one more. */
  allow(name: string, rules: object): void;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops and leaves nothing behind. */
  clear(): Promise<void>;
}>;

const rulesFor = (user: string, group: string): Readonly<Record<string, object>> => ({
  guest: {
    user,
    access: { 'weir.test': { methods: ['echo', 'whoami'] }, 'weir.open*': { methods: ['*'] } },
    publish: ['weir.guest', 'weir.guest.*'],
    subscribe: ['weir.test', 'weir.guest*'],
    listen: ['weir.event*', 'ubus.object.*'],
    send: ['weir.event.guest*'],
  },
  group: { group, access: { 'weir.group': { methods: ['echo'] } } },
  nobody: { access: { 'weir.secret': { methods: ['*'] } } },
});

function folder(user: string, group: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'weir-bus-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'acl'));
  for (const [name, rules] of Object.entries(rulesFor(user, group))) write(dir, name, rules);
  return dir;
}

const write = (dir: string, name: string, rules: object): void =>
  writeFileSync(join(dir, 'acl', `${name}.json`), JSON.stringify(rules), { mode: 0o644 });

export async function fake(): Promise<Ground> {
  const guest = { user: 'weir', group: 'weir' };
  const dir = folder(guest.user, guest.group);
  const paths = { root: join(dir, 'root.sock'), guest: join(dir, 'guest.sock'), nameless: join(dir, 'nameless.sock') };
  const others = [
    { path: paths.guest, ...guest },
    { path: paths.nameless, user: null, group: '' },
  ];
  const run = () => startUbusd({ path: paths.root, acl: join(dir, 'acl'), others });
  let ubusd = await run();
  return {
    name: 'fake ubusd',
    paths,
    guest,
    as: () => host,
    allow(name, rules) {
      write(dir, name, rules);
      ubusd.reload();
    },
    stop: () => ubusd.stop(),
    async start() {
      ubusd = await run();
    },
    async clear() {
      await ubusd.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

function onPath(program: string): string | null {
  const found = (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, program));
  return found.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** [name, uid, gid] of `weir`, or of `nobody`, whom every system has. */
function someUser(): readonly [string, number, number] {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = ['weir:', 'nobody:'].map((name) => lines.find((l) => l.startsWith(name))).find((l) => l !== undefined);
  const [name, , uid, gid] = line?.split(':') ?? [];
  if (name === undefined) throw new Error('/etc/passwd has neither weir nor nobody');
  return [name, Number(uid), Number(gid)];
}

const nobodys = 54_321;

/** null: this machine has no ubusd, or we are not root. */
export async function real(): Promise<Ground | null> {
  const program = onPath('ubusd');
  if (program === null || process.getuid?.() !== 0) return null;
  const [user, uid, gid] = someUser();
  const group = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((l) => l.split(':')[2] === String(gid))
    ?.split(':')[0];
  if (group === undefined) throw new Error(`/etc/group has no ${gid}`);
  const dir = folder(user, group);
  const path = join(dir, 'ubus.sock');
  let child: ChildProcess | null = null;

  async function start(): Promise<void> {
    const started = spawn(program ?? '', ['-s', path, '-A', join(dir, 'acl')], { stdio: ['ignore', 'inherit', 'inherit'] });
    child = started;
    // It says nothing when it is ready.
    for (let tries = 0; !existsSync(path); tries++) {
      if (tries > 500 || started.exitCode !== null) throw new Error('ubusd did not start');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  async function stop(): Promise<void> {
    const stopped = child;
    if (stopped === null) return;
    child = null;
    const ended = new Promise((resolve) => stopped.once('exit', resolve));
    stopped.kill('SIGKILL');
    await ended;
    rmSync(path, { force: true });
  }
  /** The kernel notes who connects at the moment it is asked to. */
  const as = (u: number, g: number): Pick<Host, 'net' | 'clock'> => ({
    clock: host.clock,
    net: {
      ...host.net,
      connectUnix(to, events) {
        process.setegid?.(g);
        process.seteuid?.(u);
        try {
          return host.net.connectUnix(to, events);
        } finally {
          process.seteuid?.(0);
          process.setegid?.(0);
        }
      },
    },
  });

  await start();
  return {
    name: 'real ubusd',
    paths: { root: path, guest: path, nameless: path },
    guest: { user, group },
    as: (visitor) => (visitor === 'root' ? as(0, 0) : visitor === 'guest' ? as(uid, gid) : as(nobodys, nobodys)),
    allow(name, rules) {
      write(dir, name, rules);
      child?.kill('SIGHUP');
    },
    stop,
    start,
    async clear() {
      await stop();
      rmSync(dir, { recursive: true });
    },
  };
}

export const grounds = async (): Promise<readonly Ground[]> => {
  const second = await real();
  return second === null ? [await fake()] : [await fake(), second];
};

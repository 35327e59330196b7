// The files of the package: what they say, and, where the real daemons are on PATH, what these make of them. The second part runs as a
// process of a router of its own.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleProgram } from '../../build/bundle.ts';
import { native } from '../../build/native.ts';
import * as realRouter from '../fakes/real-router.ts';
import { configs } from '../fakes/router.ts';

const folder = 'openwrt/weir/files';
const read = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8');

const files = suite('files');

const scripts = readdirSync(folder).filter((name) => read(name).startsWith('#!/bin/sh'));
files('shell scripts parse, in the shell of routers, too', () => {
  assert.equal(scripts.toSorted(), ['weir.defaults', 'weir.init', 'weir.ntp']);
  const shells = [['sh'], ...(realRouter.isHere('busybox') ? [['busybox', 'sh']] : [])];
  for (const name of scripts)
    for (const [shell = '', ...args] of shells) {
      const { status, stderr } = spawnSync(shell, [...args, '-n', `${folder}/${name}`], { encoding: 'utf8' });
      assert.is(`${status} ${stderr}`, '0 ');
    }
});

const sets = ['bounding', 'effective', 'ambient', 'permitted', 'inheritable'];
files('the agent has no capability, and can get none', () => {
  assert.equal(JSON.parse(read('capabilities-agent.json')), Object.fromEntries(sets.map((set) => [set, []])));
});

files('the enforcer has one, and what it starts has it by the bounding set alone', () => {
  const own = ['CAP_NET_ADMIN'];
  assert.equal(JSON.parse(read('capabilities-enforcer.json')), {
    bounding: own,
    effective: own,
    ambient: [],
    permitted: own,
    inheritable: [],
  });
});

files('user weir may call the nine methods that are the agent’s, and be on the bus as weir', () => {
  assert.equal(JSON.parse(read('weir.acl.json')), {
    user: 'weir',
    access: {
      'weir.enforcer': { methods: ['admit', 'renew', 'change', 'evict', 'read', 'facts', 'settings', 'nameplate', 'strain', 'reboot'] },
    },
    publish: ['weir'],
  });
});

files('none of them is the owner’s, and none that the enforcer has for the agent is forgotten', () => {
  const { access } = JSON.parse(read('weir.acl.json')) as { access: Record<string, { methods: string[] }> };
  const source = readFileSync('agent/enforcer.ts', 'utf8');
  const named = (made: string): string[] => [...source.matchAll(new RegExp(`^  (\\w+): ${made}`, 'gm'))].map(([, name = '']) => name);
  const guests = [...named('guests\\('), ...named("allow\\(\\['root', 'weir'\\]")];
  const owners = [...named('owners\\('), ...named("allow\\(\\['root'\\]")];
  const allowed = access['weir.enforcer']?.methods ?? [];
  assert.ok(guests.length > 4 && owners.length > 4);
  assert.equal(
    guests.filter((name) => !allowed.includes(name)),
    [],
  );
  assert.equal(
    owners.filter((name) => allowed.includes(name)),
    [],
  );
});

type Rule = Readonly<{ names: readonly string[]; action: string; args?: readonly Readonly<{ value: number }>[] }>;
files('the agent’s system calls: none that starts a program or leaves the jail, sockets of three families', () => {
  const { defaultAction, syscalls } = JSON.parse(read('seccomp-agent.json')) as { defaultAction: string; syscalls: readonly Rule[] };
  // With SCMP_ACT_ERRNO here ujail would have the kernel answer errno 0: refused calls would seem to succeed.
  assert.is(defaultAction, 'SCMP_ACT_KILL_PROCESS');
  for (const { action } of syscalls) assert.is(action, 'SCMP_ACT_ALLOW');
  const names = syscalls.flatMap((rule) => rule.names);
  const freely = syscalls.filter((rule) => rule.args === undefined).flatMap((rule) => rule.names);
  assert.is(new Set(freely).size, freely.length, 'each once');
  const powerful = [
    'execve',
    'execveat',
    'fork',
    'vfork',
    'clone',
    'clone3',
    'ptrace',
    'mount',
    'umount2',
    'pivot_root',
    'chroot',
    'setns',
    'unshare',
  ];
  const more = [
    'bpf',
    'init_module',
    'kexec_load',
    'keyctl',
    'io_uring_setup',
    'perf_event_open',
    'userfaultfd',
    'listen',
    'accept',
    'accept4',
  ];
  for (const name of [...powerful, ...more]) assert.not.ok(names.includes(name), name);
  assert.not.ok(freely.includes('socket') || freely.includes('socketcall') || freely.includes('prctl'));
  const families = syscalls.filter((rule) => rule.names.includes('socket')).map((rule) => rule.args?.map((a) => a.value));
  assert.equal(families, [[1], [2], [10]], 'AF_UNIX, AF_INET, AF_INET6');
});

files('an upgrade keeps the keys', () => assert.is(read('weir.keep'), '/etc/weir/\n'));
files.run();

const needed = [...realRouter.daemons, 'ujail', 'mosquitto', 'openssl'];
if (needed.every(realRouter.isHere) && existsSync('/etc/rc.common')) {
  const probe = async (role: string): Promise<{ name: string; source: string; isEntry: true }> => {
    const { entry, modules } = await bundleProgram(`test/system/inside/${role}-probe.ts`);
    return { name: `${role}.js`, source: modules.get(entry) ?? '', isEntry: true };
  };
  const binaries = [await native('host'), await native('host', [await probe('agent'), await probe('enforcer')])];
  // Only a program that is linked dynamically gets a seccomp filter by ujail.
  execFileSync('ldd', binaries.slice(0, 1));
  const router = await realRouter.start(configs);
  try {
    process.exitCode = (await router.run('test/system/inside/program.ts', ...binaries)) ?? 1;
  } finally {
    await router.stop();
  }
}

// The routers we can emulate: which Debian packages each is made of, and how QEMU builds it. Knows nothing of what runs on it.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type Architecture, bringPackages, demand, type Suite } from '../../../build/apt.ts';

export type Machine = 'mipsel' | 'x86_64-6.1' | 'x86_64-6.12';

type Model = Readonly<{ suite: Suite; architecture: Architecture; kernel: string; needs: string; qemu: readonly [string, ...string[]] }>;

// KVM is left alone: emulation is the same everywhere, and a nested machine's KVM may be there and not work.
const x86: Pick<Model, 'needs' | 'qemu'> = {
  needs: 'qemu-system-x86',
  // Without cmpxchg16b: an interrupt behind it finds garbage for flags in QEMU 7.2, and the kernel's allocator is made of it.
  qemu: ['qemu-system-x86_64', '-M', 'pc', '-cpu', 'max,-cx16', '-accel', 'tcg', '-m', '256'],
};
export const machines: Readonly<Record<Machine, Model>> = {
  mipsel: {
    suite: 'bookworm',
    architecture: 'mipsel',
    kernel: 'linux-image-4kc-malta',
    needs: 'qemu-system-mips',
    // The core and the memory of a small router of 2015.
    qemu: ['qemu-system-mipsel', '-M', 'malta', '-cpu', '24Kf', '-m', '128'],
  },
  'x86_64-6.1': { suite: 'bookworm', architecture: 'amd64', kernel: 'linux-image-cloud-amd64', ...x86 },
  'x86_64-6.12': { suite: 'trixie', architecture: 'amd64', kernel: 'linux-image-cloud-amd64', ...x86 },
};

export const isMachine = (name: string): name is Machine => name in machines;

export type Module = Readonly<{ name: string; bytes: Buffer }>;
export type Parts = Readonly<{ kernel: string; busybox: Buffer; modules(names: readonly string[]): readonly Module[] }>;

/** Brings the packages when they are not there yet. */
export function bring(machine: Machine): Parts {
  const model = machines[machine];
  demand({ setpriv: 'util-linux', [model.qemu[0]]: model.needs });
  const folder = resolve('build/out/vm', machine);
  bringPackages(model.suite, model.architecture, [model.kernel, 'busybox-static'], folder);
  // trixie has no /bin and /lib of its own any more.
  const inside = (path: string): string => [join(folder, path), join(folder, 'usr', path)].find(existsSync) ?? absent(machine, path);
  const kernel = readdirSync(join(folder, 'boot')).find((file) => file.startsWith('vmlinuz-')) ?? absent(machine, 'boot/vmlinuz');
  const modules = inside(join('lib/modules', kernel.slice('vmlinuz-'.length)));
  return {
    kernel: join(folder, 'boot', kernel),
    busybox: readFileSync(inside('bin/busybox')),
    modules: (names) => inOrder(modules, names),
  };
}

function absent(machine: Machine, path: string): never {
  throw new Error(`the packages of ${machine} hold no ${path}; remove build/out/vm/${machine} to bring them anew`);
}

/** The modules and all they depend on, each after what it needs. The package has no modules.dep; depmod reads what we read, .modinfo. */
function inOrder(folder: string, names: readonly string[]): Module[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.ko(\.xz)?$/.test(file));
  const paths = new Map(files.map((file) => [nameOf(file), join(folder, file)]));
  const builtin = new Set(readFileSync(join(folder, 'modules.builtin'), 'utf8').split('\n').map(nameOf));
  const sorted = new Map<string, Module>();
  const visit = (name: string): void => {
    if (sorted.has(name) || builtin.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw new Error(`the kernel has no module ${name}`);
    const bytes = path.endsWith('.xz') ? execFileSync('xz', ['-dc', path], { maxBuffer: 1 << 26 }) : readFileSync(path);
    for (const need of listed(bytes, 'depends=', ',')) visit(nameOf(need));
    // Wishes are often for an algorithm that only an alias leads to: crypto-crc32c, in its plain form, is crc32c_generic.
    for (const wish of listed(bytes, 'softdep=pre: ', ' ').map(nameOf))
      for (const maker of [wish, `${wish.replace('crypto_', '')}_generic`]) if (paths.has(maker)) visit(maker);
    sorted.set(name, { name, bytes });
  };
  for (const name of names) visit(nameOf(name));
  return [...sorted.values()];
}

function listed(module: Buffer, key: string, separator: string): string[] {
  const at = module.indexOf(`\0${key}`, 0, 'latin1') + 1 + key.length;
  return at === key.length
    ? []
    : module
        .toString('latin1', at, module.indexOf(0, at))
        .split(separator)
        .filter((name) => name !== '');
}

const nameOf = (file: string): string =>
  basename(file)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');

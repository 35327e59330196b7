// An apt of our own: brings packages and sources of a Debian suite, for any architecture, checked by apt against Debian's signatures.
// Its state lives in a folder made for one call, so two callers never meet. Never touches the machine's apt, installs nothing.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export type Suite = 'bookworm' | 'trixie';
export type Architecture = 'amd64' | 'mipsel';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const needed = { 'apt-get': 'apt', 'dpkg-deb': 'dpkg', xz: 'xz-utils', [keyring]: 'debian-archive-keyring' };

/** Unpacks binary packages over one another into `folder`, which appears whole or not at all. A kernel's metapackage brings the kernel. */
export function bringPackages(suite: Suite, architecture: Architecture, names: readonly string[], folder: string): void {
  bring('deb', suite, architecture, folder, (run, inbox, whole) => {
    const kernel = (name: string) => / Depends: (linux-image-\S+)/.exec(run('apt-cache', 'depends', '--important', name))?.[1];
    run('apt-get', 'download', ...names.map((name) => kernel(name) ?? name));
    for (const file of readdirSync(inbox)) run('dpkg-deb', '-x', file, whole);
  });
}

/** Puts the files of a source package (.dsc, tarballs) into `folder`, which appears whole or not at all. */
export function bringSource(suite: Suite, name: string, folder: string): void {
  bring('deb-src', suite, 'amd64', folder, (run, inbox, whole) => {
    run('apt-get', 'source', '--download-only', name);
    for (const file of readdirSync(inbox)) renameSync(join(inbox, file), join(whole, file));
  });
}

type Run = (command: string, ...args: string[]) => string;

function bring(
  type: 'deb' | 'deb-src',
  suite: Suite,
  architecture: Architecture,
  folder: string,
  download: (run: Run, inbox: string, whole: string) => void,
): void {
  if (existsSync(folder)) return;
  demand(needed);
  const aside = resolve(`${folder}.${process.pid}`);
  const inbox = join(aside, 'inbox');
  const whole = join(aside, 'whole');
  for (const part of ['inbox', 'whole', 'parts', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(aside, part), { recursive: true });
  try {
    const configuration = join(aside, 'apt.conf');
    writeFileSync(join(aside, 'status'), '');
    writeFileSync(join(aside, 'sources.list'), `${type} [signed-by=${keyring}] ${mirror()} ${suite} main\n`);
    writeFileSync(configuration, configure(aside, architecture));
    const run: Run = (command, ...args) =>
      execFileSync(command, args, {
        cwd: inbox,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, APT_CONFIG: configuration, LC_ALL: 'C' },
      });
    run('apt-get', '-qq', '--error-on=any', 'update');
    download(run, inbox, whole);
    if (!existsSync(folder)) renameSync(whole, folder);
  } finally {
    rmSync(aside, { recursive: true });
  }
}

function configure(aside: string, architecture: Architecture): string {
  const own = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    // apt would drop root for a user who cannot write into our folder.
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::AllowInsecureRepositories': 'false',
    'Dir::State': aside,
    'Dir::State::status': join(aside, 'status'),
    'Dir::Cache': join(aside, 'cache'),
    'Dir::Etc::main': '/dev/null',
    'Dir::Etc::parts': join(aside, 'parts'),
    'Dir::Etc::sourcelist': join(aside, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::trusted': '/dev/null',
    'Dir::Etc::trustedparts': '/dev/null',
  };
  // Of the machine's own configuration only the way to the mirror (proxies, dates of a frozen one) is ours too.
  const way = machine('apt-config', 'dump').filter((line) => /^Acquire::(http|https|ftp|Check|Retries|ForceIPv)/.test(line));
  return [...way, ...Object.entries(own).map(([name, value]) => `${name} "${value}";`), ''].join('\n');
}

/** The mirror that the machine itself uses; a frozen or local one gives the same packages as its own. */
const mirror = (): string =>
  machine('apt-get', 'indextargets', '--format', '$(REPO_URI)').find((uri) => /\/debian\/?$/.test(uri)) ?? 'http://deb.debian.org/debian';

const machine = (command: string, ...args: string[]): string[] => execFileSync(command, args, { encoding: 'utf8' }).split('\n');

/** Throws what to install when a command (or a file) is not there. */
export function demand(packages: Readonly<Record<string, string>>): void {
  const places = (process.env['PATH'] ?? '').split(':');
  const missing = Object.entries(packages).filter(([file]) => !places.some((folder) => existsSync(resolve(folder, file))));
  if (missing.length > 0) throw new Error(`needs the Debian packages ${missing.map(([, name]) => name).join(' ')}: apt-get install them`);
}

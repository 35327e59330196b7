// Brings the sources of QuickJS and mbedTLS: the folders that QUICKJS_SRC and MBEDTLS_SRC name, or else Debian's source packages with
// Debian's patches. Knows no compiler.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { bringSource, demand } from './apt.ts';

/** What was fetched, by name, each with its SHA-256. */
type Archives = Readonly<Record<string, string>>;
export type Source = Readonly<{ folder: string; version: string; from: string; archives: Archives }>;
export type Sources = Readonly<{ quickjs: Source; mbedtls: Source }>;

const suite = 'trixie';

/** What was brought is written to build/out/sources.json: a point release of Debian may replace the version. */
export function sources(out = resolve('build/out')): Sources {
  mkdirSync(join(out, 'sources'), { recursive: true });
  const brought = {
    quickjs: bring('quickjs', process.env['QUICKJS_SRC'], out),
    mbedtls: bring('mbedtls', process.env['MBEDTLS_SRC'], out),
  };
  writeFileSync(join(out, 'sources.json'), `${JSON.stringify(brought, null, 2)}\n`);
  return brought;
}

function bring(name: 'quickjs' | 'mbedtls', named: string | undefined, out: string): Source {
  if (named !== undefined) return { folder: resolve(named), version: 'unknown', from: `${name.toUpperCase()}_SRC`, archives: {} };
  const folder = join(out, 'sources', name);
  const note = join(folder, '.debian.json');
  if (!existsSync(note)) {
    const fetched = join(out, 'sources', `${name}.fetched`);
    bringSource(suite, name, fetched);
    unpack(fetched, folder);
  }
  const noted = JSON.parse(readFileSync(note, 'utf8')) as Pick<Source, 'version' | 'archives'>;
  return { folder, ...noted, from: `Debian ${suite}` };
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Format 3.0 (quilt) by hand: dpkg-source asks for more packages and does no more. */
function unpack(fetched: string, folder: string): void {
  demand({ tar: 'tar', xz: 'xz-utils', bzip2: 'bzip2', patch: 'patch' });
  const files = readdirSync(fetched);
  const named = (pattern: RegExp): string => {
    const found = files.find((file) => pattern.test(file));
    if (found === undefined) throw new Error(`sources: no ${pattern} among ${files.join(' ')}`);
    return join(fetched, found);
  };
  const aside = `${folder}.${process.pid}`;
  mkdirSync(aside);
  execFileSync('tar', ['-xf', named(/\.orig\.tar\.\w+$/), '-C', aside, '--strip-components=1']);
  execFileSync('tar', ['-xf', named(/\.debian\.tar\.\w+$/), '-C', aside]);
  const patches = join(aside, 'debian/patches');
  for (const line of readFileSync(join(patches, 'series'), 'utf8').split('\n'))
    if (!/^\s*(#|$)/.test(line))
      execFileSync('patch', ['-s', '--no-backup-if-mismatch', '-p1', '-d', aside, '-i', join(patches, line.trim())]);
  const noted: Pick<Source, 'version' | 'archives'> = {
    version: basename(named(/\.dsc$/), '.dsc').split('_')[1] ?? 'unknown',
    archives: Object.fromEntries(
      files
        .filter((file) => /\.tar\.\w+$/.test(file))
        .sort()
        .map((file) => [file, sha256(join(fetched, file))]),
    ),
  };
  writeFileSync(join(aside, '.debian.json'), `${JSON.stringify(noted, null, 2)}\n`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(aside, folder);
  rmSync(fetched, { recursive: true });
}

if (process.argv[1] === resolve('build/sources.ts')) console.log(JSON.stringify(sources(), null, 2));

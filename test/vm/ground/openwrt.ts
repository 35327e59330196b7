// What stands for OpenWrt's own programs on an emulated router: shell scripts, or this machine's real ones in their place.

import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { isHere } from '../../fakes/real-router.ts';
import type { File } from './router.ts';

const paths = {
  functions: '/lib/functions.sh',
  procd: '/lib/functions/procd.sh',
  'rc.common': '/etc/rc.common',
  opkg: '/bin/opkg',
  'opkg-key': '/usr/sbin/opkg-key',
  apk: '/bin/apk',
  usign: '/bin/usign',
} as const;

export const standIns = (names: readonly (keyof typeof paths)[]): Record<string, File> =>
  Object.fromEntries(
    names.map((name) => {
      const file = name === 'rc.common' ? name : `${name}.sh`;
      return [paths[name], { bytes: readFileSync(`test/fakes/openwrt/${file}`), mode: 0o755 }] as const;
    }),
  );

/** Those that are on PATH, for a router of this machine's kind, with the libraries that they find here. */
export const fromHere = (names: readonly string[]): Record<string, File> =>
  Object.fromEntries(
    names.filter(isHere).flatMap((name): [string, File][] => {
      const program = realpathSync(execFileSync('which', [name], { encoding: 'utf8' }).trim());
      const libraries = [...execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/\/\S+/g)].map(String);
      const loader = libraries.find((path) => basename(path).startsWith('ld-')) ?? program;
      // Of a package from a file apk says that it is lost with the memory that this router's root is; a real one's is an overlay.
      const more = name === 'apk' ? ' --force-non-repository' : '';
      const start = `#!/bin/sh\nexec /here/${basename(loader)} --library-path /here /here/${name}${more} "$@"\n`;
      return [
        [`/bin/${name.replace('-cl', '')}`, { bytes: start, mode: 0o755 }],
        ...[...libraries, program].map((path): [string, File] => [`/here/${basename(path)}`, { bytes: readFileSync(path), mode: 0o755 }]),
      ];
    }),
  );

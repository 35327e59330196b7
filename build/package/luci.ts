// The package luci-app-weir: the pages, their menu, rights and translations, for every architecture.

import type { Payload, Script } from './payload.ts';
import { script } from './weir.ts';

const name = 'luci-app-weir';
const named = `export root="$IPKG_INSTROOT" pkgname=${name}`;
/** LuCI keeps an index of its menu, rpcd the rights of its sessions. */
const refresh = ['if [ -z "$IPKG_INSTROOT" ]; then', '\trm -f /tmp/luci-indexcache*', '\t/etc/init.d/rpcd reload', 'fi'];

const scripts: Readonly<Record<'apk' | 'ipk', Readonly<Partial<Record<Script, string>>>>> = {
  ipk: {
    postinst: script('default_postinst "$0" "$@"', ...refresh),
    prerm: script('default_prerm "$0" "$@"'),
    postrm: script(...refresh),
  },
  apk: {
    postinst: script(named, 'default_postinst', ...refresh),
    prerm: script(named, 'default_prerm'),
    postrm: script(...refresh),
    postupgrade: script(named, 'export PKG_UPGRADE=1', 'default_postinst', ...refresh),
  },
};

/** `files`: as build/luci.ts makes them. */
export const luciApp = (kind: 'apk' | 'ipk', files: ReadonlyMap<string, Uint8Array>, version: string, time: number): Payload => ({
  name,
  version,
  release: 1,
  arch: null,
  description: 'The pages of Weir in LuCI: what is shared, with whom, and the switch that ends it',
  license: 'Apache-2.0',
  url: 'https://weir.example/',
  maintainer: 'The Weir founders <founders@weir.example>',
  section: 'luci',
  depends: ['libc', 'luci-base', 'weir'],
  conffiles: [],
  user: null,
  scripts: scripts[kind],
  entries: [...files].map(([path, bytes]) => ({ path, mode: 0o644, bytes })),
  time,
});

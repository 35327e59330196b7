// The package weir: which file of the project goes where on a router, and what is run when it comes and goes.

import { readFileSync } from 'node:fs';
import type { Entry, Payload, Script } from './payload.ts';

const folder = 'openwrt/weir/files';
const files: readonly (readonly [from: string, path: string, mode: number])[] = [
  ['weir.init', '/etc/init.d/weir', 0o755],
  // A broker's password may stand there.
  ['weir.config', '/etc/config/weir', 0o600],
  ['weir.defaults', '/etc/uci-defaults/95-weir', 0o755],
  ['weir.ntp', '/etc/hotplug.d/ntp/60-weir', 0o755],
  ['weir.acl.json', '/usr/share/acl.d/weir.json', 0o644],
  ['weir.keep', '/lib/upgrade/keep.d/weir', 0o644],
  ['capabilities-agent.json', '/etc/capabilities/weir-agent.json', 0o644],
  ['capabilities-enforcer.json', '/etc/capabilities/weir-enforcer.json', 0o644],
  ['seccomp-agent.json', '/etc/seccomp/weir-agent.json', 0o644],
];

export const depends = [
  'libc',
  'firewall4',
  'rpcd',
  'procd-ujail',
  'procd-seccomp',
  'kmod-wireguard',
  'kmod-nft-core',
  'kmod-nft-netdev',
  'kmod-nft-connlimit',
];

/** OpenWrt's own functions: they make the user, run the defaults, enable and start the service; before a removal they stop it. */
export const script = (...lines: readonly string[]): string =>
  ['#!/bin/sh', '[ -s "$IPKG_INSTROOT/lib/functions.sh" ] || exit 0', '. "$IPKG_INSTROOT/lib/functions.sh"', ...lines, ''].join('\n');
const onRouter = (upgrades: boolean, ...commands: readonly string[]): readonly string[] => [
  `if [ -z "$IPKG_INSTROOT" ] && [ "$PKG_UPGRADE" ${upgrades ? '=' : '!='} 1 ]; then`,
  ...commands.map((command) => `\t${command}`),
  'fi',
];
const named = 'export root="$IPKG_INSTROOT" pkgname=weir';

// The enforcer gives the router back, so it has to be there: the owner, or OpenWrt's part, may have stopped it before.
const giveBack = [
  '/etc/init.d/weir start',
  'ubus -t 20 wait_for weir.enforcer',
  '/usr/sbin/weir teardown || echo "weir: left behind: network.weir0 and firewall.weir_*"',
  // What opkg has put beside the owner's settings it forgets.
  'rm -f /etc/config/weir-opkg',
  'echo "weir: /etc/weir stays, with key, receipts and the ledger of the month; rm -r /etc/weir for good"',
];

/** What the feed's scripts say beside OpenWrt's own part, which stands before them or behind. An upgrade ends no session: the kernel holds
 *  them, and the new processes take them over. */
export const own = {
  // procd finds nothing changed, and the old program would go on.
  postinst: onRouter(true, '/etc/init.d/weir restart'),
  prerm: onRouter(false, ...giveBack, '/etc/init.d/weir stop'),
};

const scripts: Readonly<Record<'apk' | 'ipk', Readonly<Partial<Record<Script, string>>>>> = {
  // opkg runs prerm before an upgrade, too, and OpenWrt's part stops the old program.
  ipk: { postinst: script('default_postinst "$0" "$@"'), prerm: script(...onRouter(false, ...giveBack), 'default_prerm "$0" "$@"') },
  apk: {
    postinst: script(named, 'add_group_and_user', 'default_postinst'),
    prerm: script(named, ...onRouter(false, ...giveBack), 'default_prerm'),
    // apk stops nobody before it.
    postupgrade: script(named, 'export PKG_UPGRADE=1', 'add_group_and_user', 'default_postinst', ...own.postinst),
  },
};

export function weir(kind: 'apk' | 'ipk', arch: string, binary: Uint8Array, version: string, time: number): Payload {
  const entries: readonly Entry[] = [
    { path: '/usr/sbin/weir', mode: 0o755, bytes: binary },
    ...files.map(([from, path, mode]) => ({ path, mode, bytes: readFileSync(`${folder}/${from}`) })),
  ];
  return {
    name: 'weir',
    version,
    release: 1,
    arch,
    description: "Shares this router's spare bandwidth within its owner's limits, and proves what it shared",
    license: 'Apache-2.0',
    url: 'https://weir.example/',
    maintainer: 'The Weir founders <founders@weir.example>',
    section: 'net',
    // OpenWrt has no system call filter for this machine, and so no such package.
    depends: depends.filter((name) => arch !== 'riscv64' || name !== 'procd-seccomp'),
    conffiles: ['/etc/config/weir'],
    user: 'weir',
    scripts: scripts[kind],
    entries,
    time,
  };
}

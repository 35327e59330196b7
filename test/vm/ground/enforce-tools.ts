// What a router of ours needs that busybox is not: nft, ip and wg with their libraries, as files for its first file system. nft is the
// suite's own, so two kernels are two versions of it too.

import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bringPackages, type Suite } from '../../../build/apt.ts';
import { type Machine, machines } from './machines.ts';
import type { File } from './router.ts';

const packages = {
  both: [
    ...['nftables', 'libnftables1', 'libedit2', 'libnftnl11', 'libxtables12', 'libjansson4', 'libgmp10', 'libtinfo6', 'libbsd0', 'libmd0'],
    ...['iproute2', 'libmnl0', 'libbpf1', 'libcap2', 'zlib1g', 'wireguard-tools', 'libc6'],
  ],
  bookworm: ['libelf1'],
  trixie: ['libelf1t64', 'libzstd1', 'libselinux1', 'libpcre2-8-0'],
} satisfies Record<Suite | 'both', readonly string[]>;

const commands: readonly string[] = ['nft', 'ip', 'wg'];

/** By their paths on the router; in /usr/sbin, before busybox's. */
export function tools(machine: Machine): Readonly<Record<string, File>> {
  const { suite, architecture } = machines[machine];
  const folder = resolve('build/out/vm', `tools-${suite}-${architecture}`);
  bringPackages(suite, architecture, [...packages.both, ...packages[suite]], folder);
  const files: Record<string, File> = {
    // nft asks the C library for the numbers of protocols.
    '/etc/protocols': { bytes: 'icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\n' },
  };
  // Absolute links lead to this machine's own; what they mean is also there under its own path.
  const leadsOut = (path: string): boolean => lstatSync(path).isSymbolicLink() && (readlinkSync(path).startsWith('/') || !existsSync(path));
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => !leadsOut(join(folder, path)));
  for (const path of found) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const isCommand = commands.includes(name) && /s?bin\//.test(path);
    if (isCommand) files[`/usr/sbin/${name}`] = { bytes: readFileSync(join(folder, path)), mode: 0o755 };
    // A name that programs ask for ends in one number. The loader stands where they say, which depends on the architecture.
    else if (/\.so\.\d+$/.test(name))
      for (const place of name.startsWith('ld') ? ['/lib', '/lib64'] : ['/lib'])
        files[`${place}/${name}`] = { bytes: readFileSync(join(folder, path)), mode: 0o755 };
  }
  return files;
}

const common = [
  ...['wireguard', 'veth', 'bridge', 'nf_tables', 'nf_conntrack', 'nf_flow_table', 'nf_flow_table_inet', 'nft_flow_offload'],
  ...['nft_quota', 'nft_limit', 'nft_ct', 'nft_connlimit', 'nft_fib', 'nft_fib_ipv4', 'nft_fib_ipv6', 'nft_fib_inet'],
  ...['nft_masq', 'nft_nat', 'nft_chain_nat', 'nf_dup_netdev', 'nft_fwd_netdev'],
] as const;

/** Nothing on such a router would load one when the kernel asks for it. 6.12 has named objects built in. */
export const modules = (machine: Machine): readonly string[] => [...common, ...(machine === 'x86_64-6.12' ? [] : ['nft_objref'])];

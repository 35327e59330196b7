// What a package is made of: names, dependencies, scripts and files, as both kinds of package say it in their own ways. Paths are absolute.

export type Entry = Readonly<{ path: string; mode: number; bytes: Uint8Array }>;
export type Script = 'postinst' | 'prerm' | 'postrm' | 'preupgrade' | 'postupgrade';
export type Payload = Readonly<{
  name: string;
  /** digits.dots, without the release. */
  version: string;
  release: number;
  /** As OpenWrt calls it; null: for all of them. */
  arch: string | null;
  description: string;
  license: string;
  url: string;
  maintainer: string;
  section: string;
  depends: readonly string[];
  /** Kept over an upgrade where the owner has changed it. */
  conffiles: readonly string[];
  /** Made at the installation. */
  user: string | null;
  scripts: Readonly<Partial<Record<Script, string>>>;
  entries: readonly Entry[];
  /** Seconds: of everything inside. */
  time: number;
}>;

export const fullVersion = ({ version, release }: Payload): string => `${version}-r${release}`;

/** Byte by byte, as both package managers order names. */
export const inOrder = <T>(items: readonly T[], key: (item: T) => string): T[] =>
  items.toSorted((a, b) => Buffer.compare(Buffer.from(key(a)), Buffer.from(key(b))));

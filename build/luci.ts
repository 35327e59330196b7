// Makes the LuCI app out of openwrt/luci-app-weir: each page with all that it imports, in the form in which LuCI loads a view; translations,
// menu and rights. Run as a program, also into build/out/luci/root, to be looked at.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import * as words from './luci-words.ts';

const root = process.cwd();
const source = 'openwrt/luci-app-weir';

export const pages = ['overview', 'friends', 'settings', 'begin'] as const;
/** What LuCI hands to a view, by name; its own runtime has all of them loaded anyway. */
const given = ['view', 'rpc', 'poll', 'ui'];

const asIs = ['usr/share/luci/menu.d/luci-app-weir.json', 'usr/share/rpcd/acl.d/luci-app-weir.json'];

/** Files: by where they are on a router. */
export type App = Readonly<{ files: ReadonlyMap<string, Uint8Array>; metafile: Metafile }>;

export async function luci(): Promise<App> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: pages.map((page) => `${source}/src/${page}.ts`),
    outdir: join(root, 'build/out/luci'),
    bundle: true,
    format: 'iife',
    globalName: 'weir',
    platform: 'browser',
    target: 'es2020',
    charset: 'utf8',
    preserveSymlinks: true,
    minify: true,
    banner: { js: ["'use strict';", ...given.map((name) => `'require ${name}';`)].join('\n') },
    // LuCI runs the text as the body of a function and takes what it returns.
    footer: { js: 'return weir.page;' },
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
  const files = new Map<string, Uint8Array>([
    ...outputFiles.map(({ path, contents }) => [`/www/luci-static/resources/view/weir/${basename(path)}`, contents] as const),
    ...asIs.map((path) => [`/${path}`, readFileSync(`${source}/root/${path}`)] as const),
    ...words.languages.map(
      (language) =>
        [`/usr/lib/lua/luci/i18n/weir.${language}.lmo`, words.lmo(words.parse(readFileSync(words.catalogue(language), 'utf8')))] as const,
    ),
  ]);
  return { files, metafile };
}

if (process.argv[1] === join(root, 'build/luci.ts'))
  for (const [path, bytes] of (await luci()).files) {
    const file = `build/out/luci/root${path}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    console.log(`${file}  ${Math.ceil(bytes.length / 1024)} KB`);
  }

// Makes the LuCI app out of openwrt/luci-app-weir: the pages with all that they import, in the form in which LuCI loads
// them; translations, menu and rights. Run as a program, also into build/out/luci/root, to be looked at.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import * as words from './luci-words.ts';

const root = process.cwd();
const source = 'openwrt/luci-app-weir';

/** What LuCI hands over, by name; its own runtime has all of them loaded anyway. */
const given = ['baseclass', 'rpc', 'poll', 'ui'];
const www = '/www/luci-static/resources';
const named = (names: readonly string[]): string => ["'use strict';", ...names.map((name) => `'require ${name}';`)].join('\n');
const viewOf = (page: string): string => `${named(['view', 'weir.pages as pages'])}\nreturn view.extend(pages.${page});\n`;
const pages = ['overview', 'friends', 'enrol', 'settings', 'begin'];
const asIs = ['usr/share/luci/menu.d/luci-app-weir.json', 'usr/share/rpcd/acl.d/luci-app-weir.json'];

/** Files: by where they are on a router. */
export type App = Readonly<{ files: ReadonlyMap<string, Uint8Array>; metafile: Metafile }>;

export async function luci(): Promise<App> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`${source}/src/pages.ts`],
    outdir: join(root, 'build/out/luci'),
    bundle: true,
    format: 'iife',
    globalName: 'weir',
    platform: 'browser',
    target: 'es2020',
    charset: 'utf8',
    preserveSymlinks: true,
    minify: true,
    banner: { js: named(given) },
    // LuCI runs the text as the body of a function and takes what it returns.
    footer: { js: 'return baseclass.extend(weir);' },
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error('esbuild made nothing');
  const files = new Map<string, Uint8Array>([
    [`${www}/weir/pages.js`, output.contents],
    ...pages.map((page) => [`${www}/view/weir/${page}.js`, Buffer.from(viewOf(page))] as const),
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

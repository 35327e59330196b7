// Makes the LuCI app out of openwrt/luci-app-weir: each page with all that it imports, in the form in which LuCI loads a view. A program of its
// own puts it into build/out/luci.

import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

const root = process.cwd();
const source = 'openwrt/luci-app-weir';

export const pages = ['overview', 'friends', 'settings', 'begin'] as const;
/** What LuCI hands to a view, by name; its own runtime has all of them loaded anyway. */
const given = ['view', 'rpc', 'poll', 'ui'];

/** Path below /www → text. */
export async function luci(): Promise<ReadonlyMap<string, string>> {
  const { outputFiles } = await build({
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
    write: false,
  });
  return new Map(outputFiles.map(({ path, text }) => [`luci-static/resources/view/weir/${basename(path)}`, text]));
}

if (process.argv[1] === join(root, 'build/luci.ts'))
  for (const [path, text] of await luci()) {
    const file = join('build/out/luci/www', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`${file}  ${Math.ceil(text.length / 1024)} KB`);
  }

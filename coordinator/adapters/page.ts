// The page's files, bundled by esbuild when the coordinator starts; they are few and stay in memory.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { Request, Response } from '../ports/http.ts';

const source = 'coordinator/web';
const types = { html: 'text/html', css: 'text/css', svg: 'image/svg+xml', js: 'text/javascript' };

const file = (kind: keyof typeof types, body: string): Response => ({ status: 200, type: `${types[kind]}; charset=utf-8`, body });
const read = (name: string): string => readFileSync(join(source, name), 'utf8');

export function bundle(): ReadonlyMap<string, Response> {
  const { outputFiles } = buildSync({
    entryPoints: [join(source, 'page.ts'), join(source, 'verify.ts')],
    outdir: 'out',
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    charset: 'utf8',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    write: false,
  });
  const [page, verify] = outputFiles;
  if (page === undefined || verify === undefined) throw new Error('esbuild made nothing');
  return new Map([
    ['/', file('html', read('page.html'))],
    ['/page.css', file('css', read('page.css'))],
    ['/icon.svg', file('svg', read('icon.svg'))],
    ['/page.js', file('js', page.text)],
    ['/verify.js', file('js', verify.text)],
  ]);
}

/** Whatever is none of its files is another's to answer. */
export const before =
  (files: ReadonlyMap<string, Response>, answer: (request: Request) => Promise<Response>): ((request: Request) => Promise<Response>) =>
  async (request) =>
    (request.method === 'GET' ? files.get(request.url.replace(/\?.*/, '')) : undefined) ?? answer(request);

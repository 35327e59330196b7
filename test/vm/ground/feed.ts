// What routers install from: a web server of the test's, and, for stand-ins that cannot, the reading of indexes, packages and signatures.
// The reader is the strict one of build/package, and trusts the keys that the router sends with its question.

import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as apk from '../../../build/package/apk.ts';
import * as ipk from '../../../build/package/ipk.ts';
import * as tar from '../../../build/package/tar.ts';
import { host } from './router.ts';

export type Feed = Readonly<{
  /** For the router itself, which alone reaches it. */
  url: string;
  files: Map<string, Uint8Array>;
  close(): void;
}>;

export async function serve(): Promise<Feed> {
  const files = new Map<string, Uint8Array>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = (request.url ?? '').slice(1);
      const found = request.method === 'POST' ? answer(path, Buffer.concat(chunks).toString()) : files.get(path);
      response.writeHead(found === undefined ? 404 : 200);
      response.end(found);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://${host}:${port}`, files, close: () => void server.close() };
}

/** Undefined: refused. */
function answer(question: string, body: string): Uint8Array | undefined {
  const [keys = '', ...rest] = body.split('\n--\n');
  const [about = '', signed] = rest;
  try {
    if (question === 'usign') return isSigned(keys, about, signed ?? '') ? Buffer.from('') : undefined;
    const bytes = Buffer.from(about, 'base64');
    const pems = keys.split(/(?=-----BEGIN)/);
    if (question === 'index') return indexOf(bytes, pems);
    const read = apk.read(bytes, null);
    return question === 'package/any' || question === `package/${read.hash}` ? archived(read) : undefined;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

const isSigned = (keys: string, signature: string, text: string): boolean =>
  keys.split(/(?=untrusted)/).some((key) => ipk.isSigned(text, signature, ipk.publicKey(key)));

function indexOf(bytes: Buffer, pems: readonly string[]): Buffer {
  const refusals: unknown[] = [];
  for (const pem of pems)
    try {
      const { packages } = apk.readIndex(bytes, createPublicKey(pem));
      return Buffer.from(packages.map(({ name, version, hashes }) => `${name} ${version} ${hashes}\n`).join(''));
    } catch (error) {
      refusals.push(error);
    }
  throw new AggregateError(refusals);
}

function archived({ info, scripts, entries }: apk.Read): Buffer {
  const member = (name: string, bytes: Uint8Array | string, mode = 0o644): tar.Member => ({
    name,
    mode,
    time: 0,
    bytes: Buffer.from(bytes),
  });
  const conffiles = entries.find(({ path }) => path === `/lib/apk/packages/${info.name}.conffiles`);
  return tar.write([
    member('name', `${info.name}`),
    member('version', `${info.version}`),
    member('conffiles', conffiles?.bytes ?? ''),
    ...['files/', 'scripts/'].map((name) => ({ name, mode: 0o755, time: 0, bytes: null })),
    ...Object.entries(scripts).map(([name, text]) => member(`scripts/${name}`, text, 0o755)),
    ...entries.map(({ path, mode, bytes }) => member(`files${path}`, bytes, mode)),
  ]);
}

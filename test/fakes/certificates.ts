// An authority and the certificates it signs, good and bad, made by openssl when a test starts.

import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const name = 'broker.test';

const config = `
[req]
distinguished_name = empty
[empty]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = keyCertSign, cRLSign
subjectKeyIdentifier = hash
[good]
subjectAltName = DNS:${name}, IP:127.0.0.1, IP:::1
[wrong]
subjectAltName = DNS:other.test
[ca]
default_ca = signer
[signer]
database = index
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
`;

const certificates = {
  good: { signer: 'authority', from: '20200101000000Z', until: '20991231000000Z', extensions: 'good' },
  untrusted: { signer: 'stranger', from: '20200101000000Z', until: '20991231000000Z', extensions: 'good' },
  expired: { signer: 'authority', from: '20200101000000Z', until: '20200201000000Z', extensions: 'good' },
  notYet: { signer: 'authority', from: '20980101000000Z', until: '20991231000000Z', extensions: 'good' },
  wrongName: { signer: 'authority', from: '20200101000000Z', until: '20991231000000Z', extensions: 'wrong' },
} as const;

export type Certificate = keyof typeof certificates;
export type Certificates = Readonly<{
  authority: string;
  /** Of all of them; `untrusted` differs in its signer alone. */
  key: string;
  /** SHA-256 of the public key, in hexadecimal. */
  pin: string;
  of: Readonly<Record<Certificate, string>>;
}>;

export function makeCertificates(): Certificates {
  const dir = mkdtempSync(join(tmpdir(), 'weir-certificates-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  const read = (file: string): string => readFileSync(join(dir, file), 'utf8');
  try {
    writeFileSync(join(dir, 'config'), config);
    writeFileSync(join(dir, 'index'), '');
    const fresh = (who: string): string[] => [
      '-config',
      'config',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${who}.key`,
      '-subj',
      `/CN=${who}`,
    ];
    for (const who of ['authority', 'stranger'])
      openssl('req', '-x509', ...fresh(who), '-extensions', 'authority', '-days', '3650', '-out', `${who}.crt`);
    openssl('req', '-new', ...fresh(name), '-out', 'request');
    for (const [file, c] of Object.entries(certificates)) {
      const signer = ['-cert', `${c.signer}.crt`, '-keyfile', `${c.signer}.key`];
      openssl(
        'ca',
        '-batch',
        '-notext',
        '-config',
        'config',
        ...signer,
        '-in',
        'request',
        '-startdate',
        c.from,
        '-enddate',
        c.until,
        '-extensions',
        c.extensions,
        '-out',
        file,
      );
    }
    const key = read(`${name}.key`);
    const spki = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
    return {
      authority: read('authority.crt'),
      key,
      pin: createHash('sha256').update(spki).digest('hex'),
      of: Object.fromEntries(Object.keys(certificates).map((file) => [file, read(file)])) as Record<Certificate, string>,
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

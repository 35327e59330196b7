import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { pbkdf2 } from '@noble/hashes/pbkdf2.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { derive, hmac } from '../../agent/crypto/pbkdf2.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const cases = [
  { name: 'one round', passphrase: 'password', salt: 'salt', rounds: 1 },
  { name: 'many rounds', passphrase: 'passwordPASSWORDpassword', salt: 'saltSALTsaltSALTsaltSALTsaltSALTsalt', rounds: 257 },
  { name: 'nothing', passphrase: '', salt: '', rounds: 2 },
  { name: 'as long as a block', passphrase: 'x'.repeat(128), salt: 's', rounds: 3 },
  { name: 'longer than a block', passphrase: 'x'.repeat(129), salt: 's', rounds: 3 },
];
const same = suite('pbkdf2: as noble has it');
for (const c of cases) {
  const [passphrase, salt] = [bytes(c.passphrase), bytes(c.salt)];
  same(c.name, () => {
    assert.equal(derive(passphrase, salt, c.rounds, sha512), pbkdf2(sha512, passphrase, salt, { c: c.rounds, dkLen: 64 }));
    assert.equal(hmac(passphrase, salt, sha512), nobleHmac(sha512, passphrase, salt));
  });
}
same.run();

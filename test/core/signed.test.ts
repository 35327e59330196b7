import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Digest } from '../../agent/core/signed.ts';
import * as signed from '../../agent/core/signed.ts';

const names = suite('names');
names("a boot's are the first 8 bytes of the kernel's", () => {
  assert.is(signed.bootOf('01234567-89ab-cdef-0123-456789abcdef'), '0123456789abcdef');
});
names("a grant's are the first 16 of its digest", () => {
  assert.is(signed.grantId('0123456789abcdef'.repeat(4) as Digest), '0123456789abcdef'.repeat(2));
});
names.run();

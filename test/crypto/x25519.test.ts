import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecretKey } from '../../agent/core/brand.ts';
import * as x25519 from '../../agent/crypto/x25519.ts';

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
const bytes = (text: string): SecretKey => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)) as SecretKey;

const publicKey = suite('x25519.publicKey');
const cases = [
  {
    name: 'RFC 7748 §6.1, Alice',
    secret: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
    want: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  },
  {
    name: 'RFC 7748 §6.1, Bob',
    secret: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
    want: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  },
  // §5.2: the first round multiplies the base point by its own encoding.
  {
    name: 'RFC 7748 §5.2, one iteration',
    secret: `09${'00'.repeat(31)}`,
    want: '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079',
  },
  // What is clamped away makes no difference.
  {
    name: "Alice's, unclamped bits set otherwise",
    secret: '70076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92cea',
    want: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  },
];
for (const c of cases) publicKey(c.name, () => assert.is(hex(x25519.publicKey(bytes(c.secret))), c.want));
publicKey.run();

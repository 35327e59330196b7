import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as merkle from '../../agent/core/merkle.ts';
import { portable } from '../../agent/crypto/sha.ts';

const { sha256 } = portable;
const hex = (bytes: Uint8Array | null): string =>
  bytes === null ? 'none' : [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
const bytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

// The entries and roots by which logs of certificates (RFC 6962 and 9162) are compared.
const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const leaves = entries.map((entry) => merkle.leafOf(bytes(entry), sha256));
const known: readonly (readonly [size: number, root: string])[] = [
  [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
  [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
  [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
];
const roots = suite('merkle: roots');
for (const [size, want] of known) roots(`of ${size}`, () => assert.is(hex(merkle.rootOf(leaves.slice(0, size), sha256)), want));
roots.run();

const proofs = suite('merkle: proofs');
for (const size of [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33])
  proofs(`in a tree of ${size}`, () => {
    const all = Array.from({ length: size }, (_, i) => merkle.leafOf(Uint8Array.of(i), sha256));
    const root = hex(merkle.rootOf(all, sha256));
    for (const [index, leaf] of all.entries()) {
      const proof = merkle.proofOf(all, index, sha256);
      const by = (l: Uint8Array, i: number, n: number, p: readonly Uint8Array[]): string => hex(merkle.rootBy(l, i, n, p, sha256));
      assert.is(by(leaf, index, size, proof), root);
      assert.is.not(by(merkle.leafOf(Uint8Array.of(200), sha256), index, size, proof), root);
      assert.is.not(by(leaf, index + 1, size, proof), root);
      assert.is(by(leaf, size, size, proof), 'none');
      assert.is(by(leaf, index, size, [...proof, leaf]), 'none');
      if (proof.length > 0) {
        assert.is(by(leaf, index, size, proof.slice(1)), 'none');
        assert.is.not(by(leaf, index, size, proof.with(0, leaf)), root);
      }
    }
  });
proofs.run();

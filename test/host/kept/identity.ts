// Who a node is, through first starts, damage, copies and backups; on real files.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as identity from '../../../agent/adapters/identity.ts';
import { bondsOf } from '../../../agent/core/nameplate.ts';
import type { Host } from '../../../agent/ports/host.ts';
import * as wire from '../../../agent/wire/identity.ts';
import { must } from './journal.ts';

const model = { model: 'Example Router 3', name: 'example,router-3' };
const board = bondsOf({ ...model, addresses: ['02:00:5e:10:00:01'] });
const other = bondsOf({ ...model, addresses: ['02:00:5e:10:00:02'] });
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export function testIdentity(host: Host, temp: string): void {
  const { files } = host;
  let folders = 0;
  const folder = (): string => {
    const path = `${temp}/identity-${folders++}`;
    must(files.makeDirectory(path, 0o700));
    return path;
  };
  const put = (path: string, bytes: Uint8Array, mode = 0o600): void => void must(files.replace(path, bytes, mode));

  const first = suite('identity: the first start');
  first('makes a key for nobody else to read, and it stays', () => {
    const at = folder();
    const { id, signer } = must(identity.open(host, at, board, true));
    assert.match(id, /^[a-z2-7]{16}$/);
    const { mode, size } = must(files.stat(`${at}/key`));
    assert.equal([mode, size], [0o600, wire.size]);
    const again = must(identity.open(host, at, board, true));
    assert.equal([again.id, again.signer.key], [id, signer.key]);
    assert.is.not(must(identity.open(host, folder(), board, true)).id, id);
  });
  first('stays with a card more, and one that has come before ours', () => {
    const at = folder();
    const { id } = must(identity.open(host, at, board, true));
    const extended = bondsOf({ ...model, addresses: ['02:00:5e:10:00:00', '02:00:5e:10:00:01'] });
    assert.is(must(identity.open(host, at, extended, true)).id, id);
  });
  first('cut at any byte: a start that never was', () => {
    const at = folder();
    const whole = wire.encode(host.random(32) as never, wire.fingerprintOf(board[0], host), host);
    for (let length = 0; length < whole.length; length += 29) {
      put(`${at}/key`, whole.slice(0, length));
      // The journal of that start was there before it.
      put(`${at}/journal`, new Uint8Array(40));
      must(identity.open(host, at, board, true));
      must(identity.open(host, at, board, true));
    }
  });
  first.run();

  const faulty = suite('identity: refuses');
  const cases: readonly Readonly<{
    name: string;
    path: string;
    code: string;
    isUnused?: boolean;
    change(at: string, key: Uint8Array): void;
  }>[] = [
    {
      name: 'a byte that changed',
      code: 'malformed',
      path: 'key',
      change: (at, key) => put(`${at}/key`, key.with(100, key[100] === 0x30 ? 0x31 : 0x30)),
    },
    {
      name: 'a part of it, where it has signed something',
      code: 'malformed',
      path: 'key',
      isUnused: false,
      change: (at, key) => put(`${at}/key`, key.slice(0, 90)),
    },
    {
      name: 'a part of it, where more was written since',
      code: 'malformed',
      path: 'key',
      change(at, key) {
        put(`${at}/key`, key.slice(0, 90));
        put(`${at}/saved`, new Uint8Array());
      },
    },
    { name: 'more behind it', code: 'limit', path: 'key', change: (at, key) => put(`${at}/key`, Uint8Array.from([...key, 10])) },
    { name: 'a file that others may read', code: 'denied', path: 'key', change: (at, key) => put(`${at}/key`, key, 0o640) },
    {
      name: 'a directory',
      code: 'denied',
      path: 'key',
      change(at) {
        must(files.remove(`${at}/key`));
        must(files.makeDirectory(`${at}/key`, 0o600));
      },
    },
    {
      name: 'a key made on another router of the same model',
      code: 'denied',
      path: 'key.board',
      change(at) {
        must(files.remove(`${at}/key`));
        must(identity.open(host, at, other, true));
      },
    },
    {
      name: 'a key made where no address was known',
      code: 'denied',
      path: 'key.board',
      change(at) {
        must(files.remove(`${at}/key`));
        must(identity.open(host, at, bondsOf({ ...model, addresses: [] }), true));
      },
    },
  ];
  for (const c of cases)
    faulty(c.name, () => {
      const at = folder();
      must(identity.open(host, at, board, true));
      c.change(at, must(files.read(`${at}/key`, 1024)));
      const before = files.read(`${at}/key`, 1024);
      const got = identity.open(host, at, board, c.isUnused ?? true);
      assert.is(!got.ok && got.fault.code, c.code);
      assert.ok(!got.ok && got.fault.path.startsWith(c.path), JSON.stringify(got));
      assert.equal(files.read(`${at}/key`, 1024), before, 'is left as it was');
    });
  faulty.run();

  const backup = suite('identity: the backup');
  backup('there and back, on another board', () => {
    const [at, elsewhere] = [folder(), folder()];
    const { id } = must(identity.open(host, at, board, true));
    const passphrase = wire.passphraseOf(host.random);
    assert.match(passphrase, /^([a-z2-7]{4}-){4}[a-z2-7]{4}$/);
    const sealed = must(identity.backup(host, at, passphrase));
    const secret = /secret (.*)/.exec(text(must(files.read(`${at}/key`, 1024))))?.[1];
    assert.not.match(text(sealed), String(secret));
    assert.match(text(sealed), `node ${id}`);

    assert.is(identity.isSaved(host, at), false);
    must(identity.save(host, at));
    assert.is(identity.isSaved(host, at), true);

    const wrong = identity.restore(host, elsewhere, other, sealed, `${passphrase}.`);
    assert.is(!wrong.ok && `${wrong.fault.code} ${wrong.fault.path}`, 'denied passphrase');
    const forged = identity.restore(host, elsewhere, other, new TextEncoder().encode(text(sealed).replace(id, 'a'.repeat(16))), passphrase);
    assert.is(!forged.ok && forged.fault.code, 'denied');
    assert.is(must(identity.restore(host, elsewhere, other, sealed, passphrase)).id, id);
    assert.is(must(identity.open(host, elsewhere, other, true)).id, id);
    const over = identity.restore(host, elsewhere, other, sealed, passphrase);
    assert.is(!over.ok && over.fault.code, 'EEXIST');
  });
  const bad = [
    { name: 'a short passphrase', passphrase: 'elevenchars', code: 'denied', path: 'passphrase' },
    { name: 'no key', passphrase: 'long enough to be one', code: 'ENOENT', path: 'key' },
  ];
  for (const c of bad)
    backup(`${c.name}: none`, () => {
      const at = folder();
      if (c.code !== 'ENOENT') must(identity.open(host, at, board, true));
      const got = identity.backup(host, at, c.passphrase);
      assert.is(!got.ok && got.fault.code, c.code);
      assert.ok(!got.ok && got.fault.path.startsWith(c.path));
    });
  const broken = [
    { name: 'what is none', text: 'hello\n', code: 'malformed', path: 'backup' },
    {
      name: 'one that would take for ever',
      text: `weir backup 1\nnode ${'a'.repeat(16)}\nrounds 99999999\nsalt ${'0'.repeat(32)}\nsealed ${'0'.repeat(64)}\ntag ${'0'.repeat(64)}\n`,
      code: 'limit',
      path: 'backup.rounds',
    },
  ];
  for (const c of broken)
    backup(`${c.name}: refused`, () => {
      const got = identity.restore(host, folder(), board, new TextEncoder().encode(c.text), 'long enough to be one');
      assert.is(!got.ok && `${got.fault.code} ${got.fault.path}`, `${c.code} ${c.path}`);
    });
  backup.run();
}

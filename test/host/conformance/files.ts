import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Code, Result } from '../../../agent/core/result.ts';
import type { Host } from '../../../agent/ports/host.ts';
import { type Fixture, pattern } from './fixture.ts';
import { textOf } from './line.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.fault.path}: ${result.fault.reason} (${result.fault.code})`);
  return result.value;
}

export function files(host: Host, fixture: Fixture): void {
  const test = suite('files');
  const { files } = host;
  const dir = `${fixture.temp}/files`;
  const at = (name: string): string => `${dir}/${name}`;
  const content = (name: string): string => textOf(value(files.read(at(name), 1_000_000)));

  test.before(() => value(files.makeDirectory(dir, 0o755)));

  test('replace writes a new file and a new one over the old', () => {
    value(files.replace(at('r'), bytes('one'), 0o640));
    assert.is(content('r'), 'one');
    value(files.replace(at('r'), bytes('two two'), 0o600));
    assert.is(content('r'), 'two two');
    value(files.replace(at('r'), bytes(''), 0o600));
    assert.is(content('r'), '');
    assert.equal(value(files.list(dir)), ['r']);
    value(files.remove(at('r')));
  });

  test('the mode is the one asked for, whatever the umask', () => {
    for (const mode of [0o600, 0o644, 0o666, 0o755]) {
      value(files.replace(at('m'), bytes('x'), mode));
      assert.is(value(files.stat(at('m'))).mode, mode);
      value(files.remove(at('m')));
      value(files.create(at('m'), bytes('x'), mode));
      assert.is(value(files.stat(at('m'))).mode, mode);
      value(files.remove(at('m')));
    }
  });

  test('create takes only what is not there', () => {
    value(files.create(at('c'), bytes('first'), 0o600));
    assert.is(fails(files.create(at('c'), bytes('second'), 0o600)), `EEXIST ${at('c')}`);
    assert.is(content('c'), 'first');
    value(files.remove(at('c')));
  });

  test('append adds, and makes the file when it is missing', () => {
    value(files.append(at('a'), bytes('one\n'), 0o600));
    value(files.append(at('a'), bytes('two\n'), 0o600));
    assert.is(content('a'), 'one\ntwo\n');
    assert.is(value(files.stat(at('a'))).mode, 0o600);
    value(files.remove(at('a')));
  });

  test('all bytes come back, also through a view', () => {
    const all = pattern(300_000);
    value(files.replace(at('b'), all.subarray(1, 299_999), 0o600));
    assert.equal(value(files.read(at('b'), 300_000)), all.subarray(1, 299_999));
    assert.is(value(files.stat(at('b'))).size, 299_998);
    value(files.remove(at('b')));
  });

  test('read keeps to its limit', () => {
    value(files.replace(at('l'), bytes('12345'), 0o600));
    assert.is(textOf(value(files.read(at('l'), 5))), '12345');
    assert.is(fails(files.read(at('l'), 4)), `limit ${at('l')}`);
    assert.is(fails(files.read('/dev/zero', 1000)), 'limit /dev/zero');
    value(files.remove(at('l')));
  });

  test('read knows that files of /proc lie about their size', () => {
    assert.match(textOf(value(files.read('/proc/self/stat', 10_000))), /^\d+ /);
  });

  test('list is sorted and knows no dots', () => {
    value(files.makeDirectory(at('d'), 0o700));
    for (const name of ['b', 'a', '.hidden', 'Z', 'ä']) value(files.create(at(`d/${name}`), bytes(''), 0o600));
    assert.equal(value(files.list(at('d'))), ['.hidden', 'Z', 'a', 'b', 'ä']);
    for (const name of value(files.list(at('d')))) value(files.remove(at(`d/${name}`)));
    assert.equal(value(files.list(at('d'))), []);
    value(files.remove(at('d')));
  });

  test('stat tells kind, size, mode, owner, and follows no link', () => {
    value(files.create(at('s'), bytes('1234'), 0o640));
    assert.equal(value(files.stat(at('s'))), { kind: 'file', size: 4, mode: 0o640, uid: host.process.uid });
    const directory = value(files.stat(dir));
    assert.is(directory.kind, 'directory');
    assert.is(directory.mode, 0o755);
    if (fixture.unix !== null) assert.is(value(files.stat(fixture.unix)).kind, 'other');
    assert.is(value(files.stat('/proc/self')).kind, 'other');
    value(files.remove(at('s')));
  });

  const refusals: readonly { name: string; in: () => Result<unknown>; want: Code; path?: string }[] = [
    { name: 'read what is missing', in: () => files.read(at('none'), 1), want: 'ENOENT' },
    { name: 'read a directory', in: () => files.read(dir, 1), want: 'EISDIR', path: dir },
    {
      name: 'replace in a missing directory',
      in: () => files.replace(at('none/x'), bytes('x'), 0o600),
      want: 'ENOENT',
      path: at('none/x'),
    },
    { name: 'create in a missing directory', in: () => files.create(at('none/x'), bytes('x'), 0o600), want: 'ENOENT', path: at('none/x') },
    { name: 'append to a directory', in: () => files.append(dir, bytes('x'), 0o600), want: 'EISDIR', path: dir },
    { name: 'list what is missing', in: () => files.list(at('none')), want: 'ENOENT' },
    { name: 'list a file', in: () => files.list('/proc/uptime'), want: 'ENOTDIR', path: '/proc/uptime' },
    { name: 'remove what is missing', in: () => files.remove(at('none')), want: 'ENOENT' },
    { name: 'make a directory twice', in: () => files.makeDirectory(dir, 0o700), want: 'EEXIST', path: dir },
    { name: 'stat what is missing', in: () => files.stat(at('none')), want: 'ENOENT' },
    { name: 'go through a file', in: () => files.stat('/proc/uptime/x'), want: 'ENOTDIR', path: '/proc/uptime/x' },
    { name: 'a name too long', in: () => files.read(at('x'.repeat(300)), 1), want: 'ENAMETOOLONG', path: at('x'.repeat(300)) },
  ];
  for (const c of refusals) test(c.name, () => assert.is(fails(c.in()), `${c.want} ${c.path ?? at('none')}`));

  test('remove a directory that is not empty', () => {
    value(files.makeDirectory(at('full'), 0o700));
    value(files.create(at('full/x'), bytes(''), 0o600));
    assert.is(fails(files.remove(at('full'))), `ENOTEMPTY ${at('full')}`);
    value(files.remove(at('full/x')));
    value(files.remove(at('full')));
  });

  test('a failed replace leaves the old file and nothing else', () => {
    value(files.makeDirectory(at('busy'), 0o700));
    assert.is(files.replace(at('busy'), bytes('x'), 0o600).ok, false);
    assert.equal(value(files.list(dir)), ['busy']);
    value(files.remove(at('busy')));
  });

  test.run();
}

const fails = (result: Result<unknown>): string => (result.ok ? 'it worked' : `${result.fault.code} ${result.fault.path}`);

// `weir key`: this router's own key, which signs grants and receipts. It is shown in public only; the secret leaves the router sealed by a
// passphrase, or not at all. Runs as root over the agent's folder.

import * as identities from './adapters/identity.ts';
import type { Command, Desk } from './cli-bus.ts';
import { command } from './cli-bus.ts';
import { misread, refuse } from './cli-say.ts';
import * as argv from './core/argv.ts';
import { bondsOf } from './core/nameplate.ts';
import { type Fault, fault, ok, type Result } from './core/result.ts';
import * as nameplate from './nameplate.ts';
import type { Host } from './ports/host.ts';
import * as console from './wire/console.ts';
import { hexOf } from './wire/form.ts';
import * as wire from './wire/identity.ts';

export const help = {
  key: `weir key show
weir key backup [FILE] [--passphrase-file FILE]
weir key restore FILE [--passphrase-file FILE]

The key is this router's name and its word: whoever loses it is another router.
show prints its public half. backup writes the key to FILE, or to the standard
output, sealed by a passphrase: the one in the file given, or one that is made
and shown. restore takes it back, on this or another router that has no key,
and asks for the passphrase, or takes it from the standard input.
A passphrase file holds one line and nothing else.
`,
};

const folderOf = (host: Host): string => host.process.env('WEIR_FOLDER') ?? '/etc/weir/agent';
const passphrase = { 'passphrase-file': argv.text };

const orders: Readonly<Record<string, Command>> = {
  show,
  backup,
  restore: command({ options: passphrase, words: { FILE: argv.text } }, restore, mend),
};

export async function run(host: Host, name: string, [order = '', ...args]: readonly string[]): Promise<number> {
  const act = Object.hasOwn(orders, order) ? orders[order] : undefined;
  return act === undefined
    ? misread(host, name, fault('unsupported', '', `expected one of ${Object.keys(orders).join(', ')}`))
    : act(host, `${name} ${order}`, args);
}

function mend({ code, path }: Fault): string {
  if (!path.startsWith('key')) return '';
  if (code === 'ENOENT') return 'the agent makes it when it first runs: weir status says whether it does';
  return code === 'EEXIST'
    ? 'this router has a key, which is never written over; where it may be lost: /etc/init.d/weir stop; mv /etc/weir/agent/key /root/weir-key.old'
    : '';
}

async function show(host: Host, name: string, args: readonly string[]): Promise<number> {
  const parsed = argv.parse(args, { options: {} });
  if (!parsed.ok) return misread(host, name, parsed.fault);
  const known = identities.look(host, folderOf(host));
  if (!known.ok) return refuse(host, name, known.fault, mend(known.fault));
  const { id, signer } = known.value;
  const isSaved = identities.isSaved(host, folderOf(host));
  host.print(
    console.columns(
      [
        ['node', id],
        ['key', hexOf(signer.key)],
        ['backup', isSaved ? 'yes' : 'none yet: weir key backup FILE'],
      ],
      [],
    ),
  );
  return 0;
}

async function backup(host: Host, name: string, args: readonly string[]): Promise<number> {
  const parsed = argv.parse(args, { options: passphrase, words: { 'FILE?': argv.text } });
  if (!parsed.ok) return misread(host, name, parsed.fault);
  const {
    options,
    words: [file],
  } = parsed.value;
  const given = options['passphrase-file'] === undefined ? null : passphraseIn(host, options['passphrase-file']);
  if (given?.ok === false) return refuse(host, name, given.fault);
  const words = given === null ? wire.passphraseOf(host.random) : given.value;
  host.log('sealing the key takes a moment');
  const sealed = identities.backup(host, folderOf(host), words);
  if (!sealed.ok) return refuse(host, name, sealed.fault, mend(sealed.fault));
  if (file === undefined) host.print(new TextDecoder().decode(sealed.value));
  const written = file === undefined ? ok(undefined) : host.files.create(file, sealed.value, 0o600);
  const saved = written.ok ? identities.save(host, folderOf(host)) : written;
  if (!saved.ok) return refuse(host, name, saved.fault);
  if (given === null) host.log(`its passphrase, shown once: ${words}`);
  if (file !== undefined) host.log(`${file}: keep it, and the passphrase, somewhere else than on this router`);
  return 0;
}

type Restoring = argv.Arguments<typeof passphrase>;

async function restore({ host, bus }: Desk, { options, words: [file = ''] }: Restoring): Promise<Result<number>> {
  const sealed = host.files.read(file, wire.mostBackup);
  if (!sealed.ok) return sealed;
  const here = await nameplate.read(host, bus);
  if (!here.ok) return here;
  const given = options['passphrase-file'];
  const words = given === undefined ? host.process.ask('passphrase: ') : passphraseIn(host, given);
  if (!words.ok) return words;
  const folder = folderOf(host);
  host.log('opening the backup takes a moment');
  const restored = identities.restore(host, folder, bondsOf(here.value), sealed.value, words.value);
  if (!restored.ok) return restored;
  // There is a backup: this one.
  const saved = identities.save(host, folder);
  if (!saved.ok) return saved;
  host.print(`this router is ${restored.value.id} from its next start on: /etc/init.d/weir restart\n`);
  return ok(0);
}

/** Its one line. */
function passphraseIn(host: Host, file: string): Result<string> {
  const read = host.files.read(file, 1024);
  return read.ok ? ok(new TextDecoder().decode(read.value).replace(/\r?\n$/, '')) : read;
}

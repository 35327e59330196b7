// The consumer's end of UDP 4720: answers each receipt as the book says, and writes the book down before the answer leaves, so that no
// restart answers the same receipt twice in two ways. Knows the router by its signature alone; WireGuard vouches for the way.

import type { ByteCount } from '../core/brand.ts';
import { millis } from '../core/brand.ts';
import type { Receipt, Voucher } from '../core/receipt.ts';
import { type Fault, fail, ok, type Result, under } from '../core/result.ts';
import type { Pair } from '../core/seat.ts';
import { type GrantId, grantId } from '../core/signed.ts';
import type { Signer } from '../crypto/ed25519.ts';
import type { Datagram, Endpoint, Host } from '../ports/host.ts';
import * as cose from '../wire/cose.ts';
import * as wire from '../wire/receipt.ts';
import * as books from './book.ts';
import type { Terms } from './terms.ts';

type Ground = Pick<Host, 'net' | 'files' | 'clock' | 'sha256' | 'sha512'>;

export type Options = Readonly<{
  terms(): Terms;
  /** A grant that a receipt names and the terms do not have: to be held against them, and kept. */
  learn(grant: Uint8Array): void;
  signer: Signer;
  /** The consumer's own in the tunnel. */
  addresses: readonly string[];
  /** Of the book. */
  path: string;
  /** What passed since this program began. */
  count(): Result<Pair<ByteCount>>;
}>;

export type Events = Readonly<{
  /** `message`: the receipt as the router signed it. `dispute`: what this consumer has signed against it. */
  heard(receipt: Receipt, opinion: books.Heard['opinion'], message: Uint8Array, dispute: Uint8Array | null): void;
  /** Something that had to work did not: a socket, the file, a counter. What came from outside and is no receipt is passed over. */
  failed(why: Fault): void;
}>;

export type Client = Readonly<{
  book(): books.Book;
  /** Asks the router for its last receipt, as far as one was heard already. */
  want(): void;
  close(): void;
}>;

export const port = 4720;
/** A book of 32 disputes, and room. */
const mostBook = 64 << 10;
const mode = 0o600;
/** A crash loses what was counted since: less than the band forgives, at most speeds. */
const betweenWrites = millis(1000);
/** A tally is not signed: whoever forges some makes us sign what is true, so often. */
const betweenVouchers = 1000;

/** `at`: the port, another one than ours for tests only. */
export function start(ground: Ground, options: Options, events: Events, at = port): Result<Client> {
  const { files, clock } = ground;
  const { session } = options.terms().anchor;
  const opened = open(ground, options);
  if (!opened.ok) return opened;
  if (opened.value.session !== session) return fail('denied', 'book', `${options.path} is of session ${opened.value.session}`);
  let book = opened.value;
  const before = book.own;
  let unknown: GrantId | null = null;
  let mayVouch = clock.monotonic();
  let router: { socket: Datagram; from: Endpoint } | null = null;

  const sockets: Datagram[] = [];
  for (const address of options.addresses) {
    const bound: Result<Datagram> = ground.net.bindUdp(
      { address, port: at },
      {
        received(bytes, from) {
          if (bound.ok) receive(bound.value, bytes, from);
        },
        closed: (why) => events.failed(under('socket', why)),
      },
    );
    if (!bound.ok) {
      for (const socket of sockets) socket.close();
      return { ok: false, fault: under('socket', bound.fault) };
    }
    sockets.push(bound.value);
  }

  function receive(socket: Datagram, bytes: Uint8Array, from: Endpoint): void {
    const datagram = wire.decodeDatagram(bytes);
    if (!datagram.ok) return;
    if (datagram.value.kind === 'tally') vouch(socket, datagram.value, from);
    if (datagram.value.kind === 'granted') learn(datagram.value.grant);
    if (datagram.value.kind !== 'sealed' || !count()) return;
    const message = datagram.value.receipt;
    const heard = books.hear(options.terms(), book, message, options.signer, ground);
    if (!heard.ok) return;
    const { opinion, receipt, reply } = heard.value;
    if (heard.value.book !== book && !keep(heard.value.book)) return;
    router = { socket, from };
    unknown = opinion.kind === 'wanting' ? opinion.terms : null;
    // What cannot leave now is said again when the receipt comes again.
    socket.send(reply, from);
    const said = wire.decodeDatagram(reply);
    events.heard(receipt, opinion, message, said.ok && said.value.kind === 'disputed' ? said.value.dispute : null);
  }

  /** A digest costs little: nobody but who made that grant, or has it, makes us look at a signature. */
  function learn(grant: Uint8Array): void {
    const signed = cose.decode(grant);
    if (signed.ok && unknown !== null && grantId(cose.digestOf(signed.value, ground)) === unknown) options.learn(grant);
  }

  /** Says nothing about a receipt, so nothing has to be kept of it. */
  function vouch(socket: Datagram, tally: Voucher, from: Endpoint): void {
    const now = clock.monotonic();
    if (now < mayVouch || !count()) return;
    const message = books.vouch(book, tally, options.signer, ground);
    if (message === null) return;
    mayVouch = millis(now + betweenVouchers);
    socket.send(wire.encodeDatagram({ kind: 'vouched', voucher: message }), from);
  }

  function count(): boolean {
    const since = options.count();
    if (since.ok) {
      const { up, down } = since.value;
      book = { ...book, own: { up: (before.up + up) as ByteCount, down: (before.down + down) as ByteCount } };
    } else events.failed(under('counters', since.fault));
    return since.ok;
  }

  function keep(next: books.Book): boolean {
    const written = files.replace(options.path, books.encode(next), mode);
    if (written.ok) book = next;
    else events.failed(under('book', written.fault));
    return written.ok;
  }

  let written = book.own;
  let timer = clock.after(betweenWrites, tick);
  function tick(): void {
    count();
    if ((book.own.up !== written.up || book.own.down !== written.down) && keep(book)) written = book.own;
    timer = clock.after(betweenWrites, tick);
  }

  return ok({
    book: () => book,
    want: () => void router?.socket.send(wire.encodeDatagram({ kind: 'wanted', from: null }), router.from),
    close() {
      timer.cancel();
      for (const socket of sockets) socket.close();
      count();
      keep(book);
    },
  });
}

function open({ files }: Ground, { path, terms }: Options): Result<books.Book> {
  const read = files.read(path, mostBook);
  if (!read.ok)
    return read.fault.code === 'ENOENT' ? ok(books.begin(terms().anchor.session)) : { ok: false, fault: under('book', read.fault) };
  const book = books.decode(read.value);
  // Begun anew, its own figures would begin at 0 and every honest receipt look like a lie.
  return book.ok ? book : { ok: false, fault: under(`book ${path}`, book.fault) };
}

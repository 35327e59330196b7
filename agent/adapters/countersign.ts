// UDP 4720 on the tunnel's addresses: shows each consumer its open receipt until it is answered, and hands on the answers that hold. What a
// datagram costs grows only as it proves itself: sender, patience, length, shape, number, and a signature last. Knows no chain and no money.

import { type Millis, millis, type PublicKey } from '../core/brand.ts';
import * as ip from '../core/ip.ts';
import type { Dispute, Link, Voucher } from '../core/receipt.ts';
import { type Fault, ok, type Result, under } from '../core/result.ts';
import type { SessionId } from '../core/signed.ts';
import * as witness from '../core/witness.ts';
import type { Datagram, Host, Timer } from '../ports/host.ts';
import * as cose from '../wire/cose.ts';
import * as wire from '../wire/receipt.ts';

type Ground = Pick<Host, 'net' | 'clock' | 'sha256' | 'sha512'>;

/** A consumer in the tunnel, which WireGuard vouches for by its addresses. */
export type Consumer = Readonly<{ session: SessionId; key: PublicKey; addresses: readonly [string, ...string[]] }>;
export type Open = Readonly<{ link: Link; signed: cose.Signed }>;

export type Events = Readonly<{
  witnessed(link: Link, signature: Uint8Array): void;
  /** `bytes`: the dispute as it was signed. */
  disputed(dispute: Dispute, bytes: Uint8Array): void;
  /** `message`: the voucher as it was signed. */
  vouched(voucher: Voucher, message: Uint8Array): void;
  /** The receipts from `from` on, or the last one: whoever has them may `send`. */
  wanted(session: SessionId, from: number | null): void;
  closed(why: Fault): void;
}>;

export type Countersign = Readonly<{
  /** Whoever is not here is not heard. A consumer whose addresses change is told again. */
  admit(consumer: Consumer): void;
  dismiss(session: SessionId): void;
  /** A receipt that was written down. It takes the place of an older one. */
  ask(open: Open): void;
  /** Once: what was wanted. */
  send(session: SessionId, datagram: wire.Datagram): void;
  /** Once: what the consumer is to vouch for. One answer to it is verified. */
  tally(tally: Voucher): void;
  close(): void;
}>;

export const port = 4720;
/** An answer is larger than its question: one in a while. */
const betweenAnswers = 1000;

type Seat = {
  consumer: Consumer;
  open: Open | null;
  asking: witness.Asking;
  /** What it may vouch for. */
  tally: Voucher | null;
  patience: witness.Patience;
  /** Where it was last heard. */
  address: string;
  timer: Timer | null;
  mayWant: Millis;
};

/** `addresses`: the router's own in the tunnel. `at`: the port, another one than ours for tests only. */
export function start(ground: Ground, addresses: readonly string[], events: Events, at = port): Result<Countersign> {
  const { clock } = ground;
  const seats = new Map<SessionId, Seat>();
  const byAddress = new Map<string, Seat>();
  const sockets: { isV4: boolean; socket: Datagram }[] = [];
  const close = (): void => {
    for (const { socket } of sockets) socket.close();
    for (const seat of seats.values()) seat.timer?.cancel();
  };
  for (const address of addresses) {
    const closed = (why: Fault): void => {
      // Whoever begins anew needs the other address, too.
      close();
      events.closed(why);
    };
    const bound = ground.net.bindUdp({ address, port: at }, { received: (bytes, from) => hear(bytes, from.address), closed });
    if (!bound.ok) {
      close();
      return { ok: false, fault: under('countersign', bound.fault) };
    }
    sockets.push({ isV4: !address.includes(':'), socket: bound.value });
  }

  function show(seat: Seat): void {
    if (seat.open === null) return;
    send(seat, { kind: 'sealed', receipt: cose.encode(seat.open.signed) });
    const now = clock.monotonic();
    seat.asking = witness.sent(seat.asking, now);
    seat.timer = clock.after(millis(seat.asking.next - now), () => show(seat));
  }

  /** What cannot be sent now (no route yet, a full queue) goes out with the next try. */
  function send({ address }: Seat, datagram: wire.Datagram): void {
    const from = sockets.find(({ isV4 }) => isV4 === !address.includes(':'));
    from?.socket.send(wire.encodeDatagram(datagram), { address, port: at });
  }

  function settle(seat: Seat): void {
    seat.timer?.cancel();
    seat.open = null;
  }

  function hear(bytes: Uint8Array, from: string): void {
    const seat = byAddress.get(from);
    if (seat === undefined) return;
    const now = clock.monotonic();
    seat.patience = witness.hear(seat.patience, now);
    if (!witness.isPatient(seat.patience)) return;
    const datagram = wire.decodeDatagram(bytes);
    if (!datagram.ok) return;
    const { session, key } = seat.consumer;
    switch (datagram.value.kind) {
      case 'wanted': {
        if (now < seat.mayWant) return;
        seat.mayWant = millis(now + betweenAnswers);
        seat.address = from;
        events.wanted(session, datagram.value.from);
        return;
      }
      case 'witnessed': {
        const { open, asking } = seat;
        const { sequence, signature } = datagram.value;
        if (open === null || !asking.mayVerify || datagram.value.session !== session || sequence !== open.link.sequence) return;
        seat.asking = witness.verify(asking);
        if (!cose.isWitnessed(open.signed, signature, key, ground)) return;
        seat.address = from;
        settle(seat);
        events.witnessed(open.link, signature);
        return;
      }
      case 'disputed': {
        const dispute = disputeOf(seat, datagram.value.dispute);
        if (dispute === null) return;
        seat.address = from;
        settle(seat);
        events.disputed(dispute, datagram.value.dispute);
        return;
      }
      case 'vouched': {
        const voucher = voucherOf(seat, datagram.value.voucher);
        if (voucher === null) return;
        seat.address = from;
        events.vouched(voucher, datagram.value.voucher);
        return;
      }
      case 'sealed':
      case 'tally':
      case 'granted':
        return;
    }
  }

  /** About the open receipt, and signed by this consumer. */
  function disputeOf(seat: Seat, bytes: Uint8Array): Dispute | null {
    const { open, asking, consumer } = seat;
    const signed = cose.decode(bytes);
    if (open === null || !asking.mayVerify || !signed.ok || signed.value.kind !== 'dispute') return null;
    const read = wire.dispute.read(signed.value.body);
    if (!read.ok || !isAbout(read.value, open.link)) return null;
    seat.asking = witness.verify(asking);
    return cose.verify(signed.value, consumer.key, ground).ok ? read.value : null;
  }

  /** For just what it was asked, and signed by this consumer. */
  function voucherOf(seat: Seat, bytes: Uint8Array): Voucher | null {
    const { tally, consumer } = seat;
    const signed = cose.decode(bytes);
    if (tally === null || !signed.ok || signed.value.kind !== 'voucher') return null;
    const read = wire.voucher.read(signed.value.body);
    if (!read.ok || !isSame(read.value, tally)) return null;
    seat.tally = null;
    return cose.verify(signed.value, consumer.key, ground).ok ? tally : null;
  }

  function dismiss(session: SessionId): void {
    const seat = seats.get(session);
    if (seat === undefined) return;
    settle(seat);
    seats.delete(session);
    for (const [address, held] of byAddress) if (held === seat) byAddress.delete(address);
  }

  function ask(open: Open): void {
    const seat = seats.get(open.link.session);
    if (seat === undefined) return;
    settle(seat);
    seat.open = open;
    seat.asking = witness.begin(clock.monotonic());
    show(seat);
  }

  function admit(consumer: Consumer): void {
    const open = seats.get(consumer.session)?.open ?? null;
    dismiss(consumer.session);
    const now = clock.monotonic();
    const [address] = consumer.addresses;
    const seat = {
      consumer,
      open: null,
      asking: witness.begin(now),
      tally: null,
      patience: { since: now, heard: 0 },
      address,
      timer: null,
      mayWant: now,
    };
    seats.set(consumer.session, seat);
    for (const one of consumer.addresses) byAddress.set(canonical(one), seat);
    if (open !== null) ask(open);
  }

  return ok({
    admit,
    dismiss,
    ask,
    send(session, datagram) {
      const seat = seats.get(session);
      if (seat !== undefined) send(seat, datagram);
    },
    tally(tally) {
      const seat = seats.get(tally.session);
      if (seat === undefined) return;
      seat.tally = tally;
      send(seat, { kind: 'tally', ...tally });
    },
    close,
  });
}

const isAbout = (d: Dispute, link: Link): boolean => d.session === link.session && d.sequence === link.sequence && d.digest === link.digest;

const isSame = (a: Voucher, b: Voucher): boolean =>
  a.session === b.session && a.counted.up === b.counted.up && a.counted.down === b.counted.down;

/** As the kernel writes a sender's. */
function canonical(text: string): string {
  const address = ip.parseAddress(text);
  return address.ok ? ip.renderAddress(address.value) : text;
}

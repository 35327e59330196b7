// A name server that answers, lies or keeps silent, as the name it is asked for says. Writes its messages byte by byte, without the codec
// under test.

import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';
import type { Endpoint } from '../../agent/ports/host.ts';

const pointerToQuestion = [0xc0, 12];
const word = (n: number): number[] => [n >> 8, n & 0xff];
export const nameBytes = (name: string): number[] => [...name.split('.').flatMap((l) => [l.length, ...Buffer.from(l)]), 0];

const record = (owner: number[], type: number, value: number[]): number[] => [
  ...owner,
  ...word(type),
  ...word(1),
  0,
  0,
  0,
  60,
  ...word(value.length),
  ...value,
];
const a = (owner: number[], ...value: number[]): number[] => record(owner, 1, value);
const aaaa = (owner: number[], ...tail: number[]): number[] =>
  record(owner, 28, [0x20, 0x01, 0x0d, 0xb8, ...Array<number>(12 - tail.length).fill(0), ...tail]);
const cname = (owner: number[], target: number[]): number[] => record(owner, 5, target);

const message = (id: number, flags: number, question: Uint8Array, answers: readonly number[][]): Buffer =>
  Buffer.from([...word(id), ...word(flags), ...word(1), ...word(answers.length), 0, 0, 0, 0, ...question, ...answers.flat()]);

const answered = 0x8180;
const truncated = 0x8380;

type Question = Readonly<{ id: number; name: string; isV4: boolean; bytes: Uint8Array }>;

function parse(query: Buffer): Question {
  const labels: string[] = [];
  let at = 12;
  for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  return { id: query.readUInt16BE(0), name: labels.join('.'), isV4: query.readUInt16BE(at + 1) === 1, bytes: query.subarray(12, at + 5) };
}

/** What the server says, in order; a second element sent from a port that nobody asked. */
function answer(q: Question, byTcp: boolean): readonly Readonly<{ bytes: Buffer; fromElsewhere?: true }>[] {
  const say = (...answers: number[][]) => [{ bytes: message(q.id, answered, q.bytes, answers) }];
  const fail = (code: number) => [{ bytes: message(q.id, answered | code, q.bytes, []) }];
  const lie = a(pointerToQuestion, 203, 0, 113, 66);
  const truth = say(a(pointerToQuestion, 192, 0, 2, 1));
  switch (q.name) {
    case 'good.test':
      return q.isV4 ? say(a(pointerToQuestion, 192, 0, 2, 1), a(pointerToQuestion, 192, 0, 2, 2)) : say(aaaa(pointerToQuestion, 1));
    case 'alias.test':
      return say(
        cname(pointerToQuestion, nameBytes('middle.test')),
        a(nameBytes('end.test'), 192, 0, 2, 7),
        cname(nameBytes('middle.test'), nameBytes('end.test')),
      );
    case 'circle.test':
      return say(cname(pointerToQuestion, nameBytes('other.test')), cname(nameBytes('other.test'), pointerToQuestion));
    case 'empty.test':
      return say();
    case 'broken.test':
      return fail(2);
    case 'big.test':
      return byTcp
        ? say(...Array.from({ length: 200 }, (_, i) => a(pointerToQuestion, 10, 0, 0, i)))
        : [{ bytes: message(q.id, truncated, q.bytes, []) }];
    case 'big-and-gone.test':
      return byTcp ? [] : [{ bytes: message(q.id, truncated, q.bytes, []) }];
    case 'wrong-id.test':
      return [{ bytes: message(q.id ^ 1, answered, q.bytes, [lie]) }, ...truth];
    case 'only-wrong-id.test':
      return [{ bytes: message(q.id ^ 1, answered, q.bytes, [lie]) }];
    case 'wrong-question.test':
      return [{ bytes: message(q.id, answered, Uint8Array.from([...nameBytes('good.test'), 0, 1, 0, 1]), [lie]) }, ...truth];
    case 'wrong-sender.test':
      return [{ bytes: message(q.id, answered, q.bytes, [lie]), fromElsewhere: true }, ...truth];
    case 'garbage.test':
      return [{ bytes: Buffer.from('not a message') }, { bytes: Buffer.alloc(0) }, ...truth];
    case 'other-owner.test':
      return say(a(nameBytes('good.test'), 203, 0, 113, 66));
    default:
      return fail(3);
  }
}

export async function startDns(): Promise<{ server: Endpoint; silent: Endpoint; close(): void }> {
  const elsewhere = createSocket('udp4');
  const silent = createSocket('udp4');
  const udp = createSocket('udp4');
  const tcp = createServer((socket) => {
    let held = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) return;
      const [first] = answer(parse(held.subarray(2)), true);
      if (first === undefined) return void socket.end();
      // In two pieces, cut inside the length.
      const framed = Buffer.from([...word(first.bytes.length), ...first.bytes]);
      socket.write(framed.subarray(0, 1));
      setImmediate(() => socket.write(framed.subarray(1)));
    });
  });
  udp.on('message', (query, from) => {
    for (const said of answer(parse(query), false)) {
      // What comes first has to arrive first, whichever socket it leaves.
      (said.fromElsewhere ? elsewhere : udp).send(said.bytes, from.port, from.address);
    }
  });
  const bound = (socket: ReturnType<typeof createSocket>): Promise<void> => new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  await Promise.all([bound(elsewhere), bound(silent)]);
  // UDP and TCP have to share a port, and only one of them can take a free one.
  for (;;) {
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as AddressInfo;
    const taken = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(true));
      udp.bind(port, '127.0.0.1', () => resolve(false));
    });
    if (!taken) break;
    await new Promise((resolve) => tcp.close(resolve));
  }
  return {
    server: { address: '127.0.0.1', port: udp.address().port },
    silent: { address: '127.0.0.1', port: silent.address().port },
    close() {
      for (const socket of [elsewhere, silent, udp]) socket.close();
      tcp.close();
    },
  };
}

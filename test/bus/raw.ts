// A visitor of the bus who speaks frames and keeps no rule: for what no well-behaved client does, and for what exactly ubusd answers.

import { millis } from '../../agent/core/brand.ts';
import { text } from '../../agent/core/result.ts';
import type { Host } from '../../agent/ports/host.ts';
import type { Attrs, Message, Type } from '../../agent/wire/ubus.ts';
import * as ubus from '../../agent/wire/ubus.ts';

export type Raw = Readonly<{
  id: number;
  send(type: Type, seq: number, peer: number, attrs: Attrs): void;
  write(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  /** The next message, or null when ubusd hung up. */
  next(): Promise<Message | null>;
  /** What has come up to the answer to a ping sent now: whatever ubusd had to say before, it said. */
  upToNow(): Promise<readonly Message[]>;
  close(): void;
}>;

const patience = millis(10_000);

export async function visit({ net, clock }: Pick<Host, 'net' | 'clock'>, path: string): Promise<Raw> {
  const splitter = ubus.splitter();
  const come: (Message | null)[] = [];
  let wanted: ((m: Message | null) => void) | null = null;
  const arrive = (m: Message | null): void => {
    if (wanted === null) come.push(m);
    else wanted(m);
    wanted = null;
  };
  const stream = net.connectUnix(path, {
    opened: () => undefined,
    received(chunk) {
      const frames = splitter.push(chunk);
      if (!frames.ok) throw new Error(text(frames.fault));
      for (const frame of frames.value) {
        const m = ubus.decode(frame);
        if (!m.ok) throw new Error(text(m.fault));
        arrive(m.value);
      }
    },
    ended() {
      stream.close();
      arrive(null);
    },
    drained: () => undefined,
    closed: () => arrive(null),
  });

  function next(): Promise<Message | null> {
    const here = come.shift();
    if (here !== undefined) return Promise.resolve(here);
    return new Promise((resolve, reject) => {
      const timer = clock.after(patience, () => reject(new Error('ubusd says nothing')));
      wanted = (m) => {
        timer.cancel();
        resolve(m);
      };
    });
  }
  function send(type: Type, seq: number, peer: number, attrs: Attrs): void {
    const frame = ubus.encode({ type, seq, peer, attrs });
    if (!frame.ok) throw new Error(text(frame.fault));
    stream.write(frame.value);
  }

  const hello = await next();
  const pingSeq = 0xfffe;
  return {
    id: hello?.peer ?? 0,
    send,
    write: (bytes) => void stream.write(bytes),
    pause: stream.pause,
    resume: stream.resume,
    next,
    async upToNow() {
      const before: Message[] = [];
      send('ping', pingSeq, 0, {});
      for (;;) {
        const m = await next();
        if (m === null) return before;
        if (m.seq !== pingSeq) before.push(m);
        else if (m.type === 'status') return before;
      }
    },
    close: stream.close,
  };
}

// A broker, embedded or elsewhere. What is told is confirmed to the broker when `heard` has resolved, and not when it rejects: then it comes
// again, or the node says it again.

export type Heard = (topic: string, payload: Uint8Array) => Promise<void>;

export type Transport = Readonly<{
  /** Nobody waits for it: whatever has to arrive is answered by the node, and said again until it is. */
  publish(topic: string, payload: Uint8Array): void;
  end(): Promise<void>;
}>;

// A broker, embedded or elsewhere. What is told is confirmed to the broker when `heard` has resolved, and not when it rejects: then it comes
// again, or the node says it again.

export type Heard = (topic: string, payload: Uint8Array) => Promise<void>;

export type Transport = Readonly<{
  /** Resolves when the broker has it. */
  publish(topic: string, payload: Uint8Array): Promise<void>;
  end(): Promise<void>;
}>;

// What the mqtt package's client takes from readable-stream: a Writable that it gives a `_write`, and a Readable to subclass. The link
// brings stream and store of its own (agent/adapters/mqtt-link.ts), so nothing of readable-stream's 77 KB and 300 KB of heap is left.

export class Writable {
  declare _write: (chunk: Uint8Array, encoding: string, done: (error?: Error) => void) => void;
  write(chunk: Uint8Array, done: (error?: Error) => void): void {
    this._write(chunk, 'buffer', done);
  }
}

/** Only the package's own store would make one. */
export class Readable {
  constructor() {
    throw new Error('the package reached its own store');
  }
}

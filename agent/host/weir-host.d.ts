// The contract of the C module `weir-host` (openwrt/weir/src), also kept by host/wasm.ts. It is flat: numbers, strings and ArrayBuffers
// only, so that it crosses a WebAssembly border as easily as it is written in C. host/quickjs.ts makes ports/host.ts of it.
//
// A function that fails for an outside reason throws an Error with `code` (an errno name, or one of core/result's codes) and a message.
// Handles are positive and never used again. After `close(handle)` no event comes for it.

declare module 'weir-host' {
  export const kind: 'quickjs' | 'wasm';
  /** Comma-separated abilities that this host lacks. */
  export const lacks: string;
  /** JSON array: the arguments after the role. */
  export const args: string;
  export const pid: number;
  export const uid: number;

  /** The one way in: called from the event loop, never from inside another call of this module.
   *  opened, drained, ended            (handle)
   *  received                          (handle, ArrayBuffer, address, port)   address and port for datagrams only
   *  overrun                           (handle)
   *  closed                            (handle, code, message)    both '' when both sides ended in order
   *  fired                             (handle)                   a timer, once
   *  signalled                         (handle)
   *  exited                            (handle, how, status, stdout ArrayBuffer, stderr ArrayBuffer) */
  export function onEvent(
    handler: (
      handle: number,
      event: string,
      a?: ArrayBuffer | string,
      b?: string | number,
      c?: number | ArrayBuffer,
      d?: ArrayBuffer,
    ) => void,
  ): void;

  export function connectUnix(path: string): number;
  export function connectTcp(address: string, port: number): number;
  /** '' stands for: none. `pin` is 32 bytes or empty. */
  export function connectTls(
    address: string,
    port: number,
    name: string,
    authorities: string,
    pin: ArrayBuffer,
    certificate: string,
    key: string,
  ): number;
  /** True while less than 64 KiB are queued. */
  export function write(handle: number, bytes: ArrayBuffer, offset: number, length: number): boolean;
  export function end(handle: number): void;
  export function close(handle: number): void;
  export function pause(handle: number): void;
  export function resume(handle: number): void;

  export function bindUdp(address: string, port: number): number;
  export function localPort(handle: number): number;
  export function sendTo(handle: number, bytes: ArrayBuffer, offset: number, length: number, address: string, port: number): void;

  /** groups: comma-separated numbers. */
  export function openNetlink(protocol: number, groups: string): number;
  export function sendNetlink(handle: number, bytes: ArrayBuffer, offset: number, length: number): void;
  export function splitAttributes(bytes: ArrayBuffer, offset: number, end: number): ArrayBuffer | null;
  export function pickMessages(bytes: ArrayBuffer, offset: number, end: number, head: number, paths: ArrayBuffer): ArrayBuffer | null;

  export function startTimer(delay: number): number;
  export function monotonic(): number;
  export function wall(): number;
  /** Events come as `signalled` on the handle. */
  export function watchSignal(name: string): number;

  export function read(path: string, most: number): ArrayBuffer;
  export function replace(path: string, bytes: ArrayBuffer, offset: number, length: number, mode: number): void;
  export function create(path: string, bytes: ArrayBuffer, offset: number, length: number, mode: number): void;
  export function append(path: string, bytes: ArrayBuffer, offset: number, length: number, mode: number): void;
  /** JSON array of names, sorted, without . and .. */
  export function list(path: string): string;
  export function remove(path: string): void;
  export function makeDirectory(path: string, mode: number): void;
  /** JSON: {"kind","size","mode","uid"}; does not follow a link. */
  export function stat(path: string): string;

  /** argv and env: JSON arrays of strings (env as NAME=value). `close(handle)` kills the child's process group. */
  export function spawn(argv: string, env: string, stdin: ArrayBuffer, deadline: number, most: number): number;

  export function env(name: string): string | null;
  export function random(size: number): ArrayBuffer;
  export function sha256(bytes: ArrayBuffer, offset: number, length: number): ArrayBuffer;
  export function sha512(bytes: ArrayBuffer, offset: number, length: number): ArrayBuffer;
  export function log(line: string): void;
  export function print(text: string): void;
  export function ask(prompt: string): string;
  export function memoryUsed(): number;
  export function memoryLimit(): number;
  export function exit(status: number): never;
}

// What the demo's story needs of the place where it is told: three routers, somebody's computer near each, and the coordinator they all find.
// Two keep it: demo-real.ts and demo-simulated.ts.

import type { Bus } from '../agent/adapters/ubus-client.ts';
import { type Result, text } from '../agent/core/result.ts';
import type { Lie } from '../test/consumer/liar.ts';
import type { Files, Wish } from './consumer-open.ts';
import type { Coordinator } from './demo-coordinator.ts';

export const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(text(r.fault));
  return r.value;
};

export type Ran = Readonly<{ code: number | string; stdout: string; stderr: string }>;

export type Consumer = Readonly<{
  /** What its program said of the session it got. */
  opened: string;
  /** What of so many bytes from the Internet arrives through the tunnel, until nothing comes any more. */
  download(bytes: number): Promise<number>;
  /** A line of its program, past or future. */
  says(pattern: RegExp): Promise<string>;
  leave(): Promise<void>;
}>;

export type Router = Readonly<{
  /** The enforcer starts, with the coordinator and its code in /etc/config/weir; all is made ready for the owner's yes. */
  begin(code: string): Promise<void>;
  /** What follows the yes on a router, and has to be done by somebody here; and the agent starts. */
  share(): Promise<void>;
  /** As root. */
  bus: Bus;
  weir(...args: readonly string[]): Promise<Ran>;
  /** Somebody nearby asks for a session and brings the tunnel up. */
  join(files: Files, wish: Wish, lie: Lie | null): Promise<Consumer>;
  /** The agent, by SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** A line of the agent's log, past or future. */
  says(pattern: RegExp): Promise<string>;
  /** Its line to the provider is dead; resolves with what the agent says when it has seen it. And it is back, and the agent with its broker. */
  cut(): Promise<string>;
  mend(): Promise<string>;
}>;

export type Stage = Readonly<{
  /** What is real here, and what is not. */
  scene: readonly string[];
  /** Where to look while it stays up. */
  hints: readonly string[];
  coordinator: Coordinator;
  routers: readonly [Router, Router, Router];
  close(): Promise<void>;
}>;

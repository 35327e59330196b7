// How the boot before ended, by what the agent wrote down last: a router that loses power, crashes or is reset by its watchdog says no word.
// Knows no file.

import type { BootId } from './signed.ts';

/** As telemetry tells them: by their places. */
export const ends = ['unknown', 'orderly', 'sudden'] as const;
export type End = (typeof ends)[number];

/** `isOver`: it was told to stop. */
export type Note = Readonly<{ boot: BootId; isOver: boolean; before: End }>;

/** `last` null: there is none, or none that can be read. */
export function begin(boot: BootId, last: Note | null): Note {
  if (last === null) return { boot, isOver: false, before: 'unknown' };
  if (last.boot === boot) return { ...last, isOver: false };
  return { boot, isOver: false, before: last.isOver ? 'orderly' : 'sudden' };
}

export const render = ({ boot, isOver, before }: Note): string => `${boot} ${isOver ? 'over' : 'running'} ${before}\n`;

export function parse(text: string): Note | null {
  const [, boot, state, word] = /^([0-9a-f]{16}) (over|running) (\w+)\n$/.exec(text) ?? [];
  const before = ends.find((end) => end === word);
  return boot === undefined || before === undefined ? null : { boot: boot as BootId, isOver: state === 'over', before };
}

// What a part of the page is: it loads figures, and shows them when they are other than before.

import { ok, type Result } from '../../agent/core/result.ts';
import type { Api } from './api.ts';
import { type Child, link } from './element.ts';

export type Who = Readonly<{ kind: 'operator' | 'consumer'; name: string; role: string | null }>;
/** `root`: the coordinator's public key, in hex. */
export type Asking = Readonly<{ api: Api; who: Who; root: string }>;

export type Picture = Readonly<{ stamp: string; show(): readonly Child[] }>;
/** `parts`: of the address, behind the view's own name. */
export type View = (asking: Asking, parts: readonly string[]) => Promise<Result<Picture>>;

/** A list comes by pages. `next`: what the coordinator calls the one behind. */
export type Page = Readonly<{ next: string | null }>;
export const search = (limit: number, after: string | undefined): string => `limit=${limit}${after === undefined ? '' : `&after=${after}`}`;
export const more = (hash: string, { next }: Page): Child => (next === null ? null : link(`${hash}/${next}`, 'More'));

export const picture = <T>(figures: T, show: (figures: T) => readonly Child[]): Result<Picture> =>
  ok({ stamp: JSON.stringify(figures, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v)), show: () => show(figures) });

// Operators and their tokens, which are kept as digests alone.

import { fail, ok, type Result } from '../agent/core/result.ts';
import { hexOf } from '../agent/wire/form.ts';
import type { Role } from './core/access.ts';
import { hashes } from './hashes.ts';
import type { Query } from './ports/database.ts';

export type Operator = Readonly<{ name: string; role: Role; until: number }>;

/** The token, which is shown once. */
export async function add(query: Query, { name, role, until }: Operator, random: (size: number) => Uint8Array): Promise<Result<string>> {
  const token = `weir_${hexOf(random(24))}`;
  const added = await query('insert into operator values ($1, $2, $3, $4) on conflict do nothing returning name', [
    digestOf(token),
    name,
    role,
    until,
  ]);
  return added.length > 0 ? ok(token) : fail('exists', 'name', 'there is an operator of this name');
}

export async function find(query: Query, token: string, now: number): Promise<Result<Operator>> {
  const [row] = await query<{ name: string; role: Role; until: bigint }>('select name, role, until from operator where digest = $1', [
    digestOf(token),
  ]);
  if (row === undefined) return fail('stranger', 'authorization', 'no such token');
  return row.until < BigInt(now) ? fail('expired', 'authorization', 'the token’s time is over') : ok({ ...row, until: Number(row.until) });
}

const digestOf = (token: string): string => hexOf(hashes.sha256(new TextEncoder().encode(token)));

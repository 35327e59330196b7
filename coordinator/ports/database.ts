// A PostgreSQL, embedded or a server. A refusal or a lost connection rejects the promise, and then nothing of the transaction has happened:
// whoever sent what was to be written is not told that it was, and sends it again.

export type Field = string | number | bigint | boolean | Uint8Array | null;
/** Whole numbers of the database are bigint in rows, whatever their size. */
export type Row = Readonly<Record<string, unknown>>;
export type Query = <T extends Row = Row>(sql: string, fields?: readonly Field[]) => Promise<readonly T[]>;

export type Database = Readonly<{
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}>;

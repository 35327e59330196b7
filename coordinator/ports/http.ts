// A request that has arrived whole, and its response.

export type Request = Readonly<{
  method: string;
  /** With the query string, as it was sent. */
  url: string;
  authorization: string | null;
  /** The other end, for limits alone. */
  caller: string;
  body: Uint8Array;
}>;
export type Response = Readonly<{ status: number; type: string; body: string }>;
export type Server = Readonly<{ port: number; end(): Promise<void> }>;

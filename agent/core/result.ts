// What the outside can get wrong is a value: a Fault says which rule (code), where (path) and why (reason). It never holds a secret.
// Only a bug throws.

// A foreign failure keeps its errno name (`ECONNREFUSED`); everything else is one of ours.
export type Code =
  | 'malformed' // the bytes or text do not follow their format
  | 'missing' // something that had to be there is not
  | 'exists' // something that had to be new is there
  | 'denied' // not allowed to us, or by us
  | 'timeout' // a deadline passed
  | 'closed' // the other side went away
  | 'limit' // more than we take
  | 'unsupported' // this host, kernel or peer cannot do it
  | 'foreign' // the other side answered with a failure of its own
  | 'forged' // a signature, or a chain of them, that does not hold
  | 'stranger' // signed by a key that nobody vouched for
  | 'stale' // of another epoch, or older than what is known
  | 'expired' // its time is over
  | 'tls-certificate'
  | 'tls-name'
  | 'tls-pin'
  | 'tls-protocol'
  | Errno;
export type Errno = `E${Uppercase<string>}`;

export type Fault = Readonly<{ code: Code; path: string; reason: string }>;
export type Result<T> = Readonly<{ ok: true; value: T }> | Readonly<{ ok: false; fault: Fault }>;

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });
export const fault = (code: Code, path: string, reason: string): Fault => ({ code, path, reason });
export const fail = (code: Code, path: string, reason: string): Result<never> => ({ ok: false, fault: fault(code, path, reason) });

/** The same fault, seen from one level further out. */
export const under = (outer: string, inner: Fault): Fault => ({ ...inner, path: inner.path === '' ? outer : `${outer}.${inner.path}` });

export type Values<R> = { readonly [K in keyof R]: R[K] extends Result<infer T> ? T : never };

/** All of them, or the first Fault. */
export function all<R extends Readonly<Record<string, Result<unknown>>>>(results: R): Result<Values<R>> {
  const values: [string, unknown][] = [];
  for (const [name, result] of Object.entries(results)) {
    if (!result.ok) return result;
    values.push([name, result.value]);
  }
  return ok(Object.fromEntries(values) as Values<R>);
}

export const text = (f: Fault): string => (f.path === '' ? `${f.reason} (${f.code})` : `${f.path}: ${f.reason} (${f.code})`);

/** Proves to the compiler that a switch is exhaustive. Reaching it is a bug. */
export function absurd(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

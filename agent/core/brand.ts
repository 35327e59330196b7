// Units and roles live in the type: a ByteCount is no BitRate, and a SecretKey is never accepted where a PublicKey is sent.

declare const tag: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [tag]: Name };

export type ByteCount = Brand<bigint, 'ByteCount'>;
export type BitRate = Brand<bigint, 'BitRate'>;
export type Seconds = Brand<number, 'Seconds'>;
export type Millis = Brand<number, 'Millis'>;
export type PublicKey = Brand<Uint8Array, 'PublicKey'>;
export type SecretKey = Brand<Uint8Array, 'SecretKey'>;

export const millis = (n: number): Millis => n as Millis;
export const seconds = (n: number): Seconds => n as Seconds;

// JSON that also carries BigInts, Maps and bytes, between a test and the program that it drives.

type Tagged = { $: string; v: unknown };
const isTagged = (v: unknown): v is Tagged => typeof v === 'object' && v !== null && '$' in v;

export const write = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => {
    if (typeof v === 'bigint') return { $: 'n', v: String(v) };
    if (v instanceof Map) return { $: 'm', v: [...v] };
    if (v instanceof Uint8Array) return { $: 'b', v: [...v] };
    return v === undefined ? { $: 'u', v: null } : v;
  });

export const read = (text: string): unknown =>
  JSON.parse(text, (_, v: unknown) => {
    if (!isTagged(v)) return v;
    if (v.$ === 'n') return BigInt(v.v as string);
    if (v.$ === 'm') return new Map(v.v as [unknown, unknown][]);
    return v.$ === 'b' ? Uint8Array.from(v.v as number[]) : undefined;
  });

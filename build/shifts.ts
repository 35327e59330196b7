// Mends 64-bit shifts for 32-bit MIPS in LLVM's text. LLVM 17 puts such a shift together from two of 32 bits; when it knows that the amount
// is below 64 it takes one of them for undefined and drops it (llvm-project issue 64794): (1 << n) and every soft float come out wrong.
// An amount that has been through an empty asm is one it knows nothing about.

/** Goes into the hash of what is made. */
export const version = 'shifts 1';

export function mend(text: string): string {
  // Rotations by a variable amount become shifts only later, out of our reach. None of our sources has one.
  if (/call i64 @llvm\.fsh[lr]\.i64\([^,]*, [^,]*, i64 %/.test(text)) throw new Error('shifts: a 64-bit rotation by a variable amount');
  let count = 0;
  return text.replace(/^( *)(%\S+ = (?:shl|lshr|ashr) (?:nuw |nsw |exact )*i64 [^,]+), (%[^,\s]+)/gm, (_, indent, shift, amount) => {
    const name = `%mended.${++count}`;
    return [
      `${name}.low = trunc i64 ${amount} to i32`,
      `${name}.unknown = call i32 asm "", "=r,0"(i32 ${name}.low)`,
      `${name}.amount = zext i32 ${name}.unknown to i64`,
      `${shift}, ${name}.amount`,
    ]
      .map((line) => `${indent}${line}`)
      .join('\n');
  });
}

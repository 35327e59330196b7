// QuickJS's regular expressions, with their bytecode little-endian in memory on every machine. QuickJS 2025.04.26 keeps bytecode in files
// little-endian and swaps it when a big-endian machine loads it, but forgets the regular expressions in it.

#include "cutils.h"
#include "libunicode.h"

/* Without \p{…}, whose tables of scripts and categories are larger than all the rest of this file. */
#undef CONFIG_ALL_UNICODE

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define get_u16(at) bswap16(get_u16(at))
#define get_u32(at) bswap32(get_u32(at))
#define put_u16(at, value) put_u16(at, bswap16(value))
#define put_u32(at, value) put_u32(at, bswap32(value))
#define dbuf_put_u16(buffer, value) dbuf_put_u16(buffer, bswap16(value))
#define dbuf_put_u32(buffer, value) dbuf_put_u32(buffer, bswap32(value))
#endif

#include "libregexp.c"

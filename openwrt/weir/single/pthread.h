// QuickJS asks for threads in one place, after it has decided to have Atomics and before it makes them: without, since one thread runs. On
// 32-bit MIPS GCC leaves their 64-bit operations to a library of its own, which a router would have to bring.

#undef CONFIG_ATOMICS

// Timers in a Web Worker. Never reached: the link asks for the native ones.
export const { setInterval, clearInterval } = globalThis;

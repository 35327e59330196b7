// What the agent loads once it needs it. Apart from agent.ts, because a module that imports on demand keeps the lines of all its code:
// those of the agent are 42 KB of gzip.

export const office = () => import('./office.ts');
export const tidings = () => import('./tidings.ts');

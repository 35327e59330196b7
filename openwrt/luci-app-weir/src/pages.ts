// All pages in one file, since most of it is what they share. A view of LuCI is one of them.

export { page as begin } from './begin.ts';
export { page as enrol } from './enrol.ts';
export { page as friends } from './friends.ts';
export { page as overview } from './overview.ts';
export { page as settings } from './settings.ts';

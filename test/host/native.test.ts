import { conformNatively } from './native.ts';

conformNatively('host');

import { walk } from './walk.ts';

walk(500, 2);

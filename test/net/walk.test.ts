import { walk } from './walk.ts';

walk(15, 1);

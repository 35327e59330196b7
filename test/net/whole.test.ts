import { play } from './whole.ts';

play(4);

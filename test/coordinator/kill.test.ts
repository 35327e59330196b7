import { suite } from 'uvu';
import { alone, play } from './kill.ts';

const kill = suite('kill -9');
kill('5 times under load, on PGlite', () => play(5, alone));
kill.run();

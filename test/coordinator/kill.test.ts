import { suite } from 'uvu';
import { play } from './kill.ts';

const kill = suite('kill -9');
kill('under load, on PGlite', () => play(1, null));
kill.run();

import { suite } from 'uvu';
import { alone, play, playOnServers } from './kill.ts';

const kill = suite('kill -9');
kill('under load, on PGlite', () => play(1, alone));
kill('under load, on PostgreSQL and Mosquitto', () => playOnServers(2));
kill.run();

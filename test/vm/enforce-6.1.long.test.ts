import { story } from './ground/enforce-story.ts';

story({ machine: 'x86_64-6.1', hold: 'watched' });

import { holdClient } from './client.ts';
import { grounds } from './ground.ts';

for (const ground of await grounds()) holdClient(ground);

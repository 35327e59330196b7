// Opens a ground, says which processes hold it, and waits to be killed.

import { createGround } from './ground.ts';

const ground = await createGround({ consumers: ['c'] });
const places = ['router', 'lan', 'uplink', 'internet', 'c'].map((name) => ground.in(name).pid);
console.log(JSON.stringify(places));

// Has messages checked by a worker, which nothing of the page waits for.

import type { Result } from '../../agent/core/result.ts';
import { fail } from '../../agent/core/result.ts';
import type { Checked, Question } from './verify.ts';

export const check = (question: Question): Promise<Result<Checked>> =>
  new Promise((resolve) => {
    const worker = new Worker('verify.js', { type: 'module' });
    const settle = (answer: Result<Checked>): void => {
      worker.terminate();
      resolve(answer);
    };
    worker.addEventListener('message', ({ data }: MessageEvent<Result<Checked>>) => settle(data));
    worker.addEventListener('error', () => settle(fail('unsupported', 'verify.js', 'this browser does not run it')));
    worker.postMessage(question);
  });

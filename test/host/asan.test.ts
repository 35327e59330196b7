// The same under AddressSanitizer with leak detection, and UndefinedBehaviorSanitizer: what they find ends the host with another status.

import { conformNatively } from './native.ts';

conformNatively('asan');

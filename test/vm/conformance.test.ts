import { suite } from 'uvu';
import { conformInRouter, conformUnderQemu } from './ground/conformance.ts';

const conformance = suite('conformance elsewhere');

conformance('on a MIPS router', () => conformInRouter('mipsel', 'mipsel_24kc'));
conformance('on big-endian MIPS', () => conformUnderQemu('qemu-mips-static', 'mips_24kc'));

conformance.run();

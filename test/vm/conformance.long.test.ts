import { suite } from 'uvu';
import { conformInRouter, conformUnderQemu } from './ground/conformance.ts';

const conformance = suite('conformance further elsewhere');

conformance('on Linux 6.1', () => conformInRouter('x86_64-6.1', 'x86_64'));
conformance('on Linux 6.12', () => conformInRouter('x86_64-6.12', 'x86_64'));
conformance('on ARM', () => conformUnderQemu('qemu-arm-static', 'arm_cortex-a7'));
conformance('on ARM, 64 bit', () => conformUnderQemu('qemu-aarch64-static', 'aarch64_cortex-a53'));
conformance('on RISC-V, 64 bit', () => conformUnderQemu('qemu-riscv64-static', 'riscv64'));

conformance.run();

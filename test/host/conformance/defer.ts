// uvu would start by itself at the next timer. It reads this when it is loaded, so this file comes before it.

Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: [[null]] });

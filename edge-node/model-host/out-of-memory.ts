/** How the C++ runtime and V8 say that the memory cap was met, in exceptions and on stderr. */
const OUT_OF_MEMORY = /bad[_ ]alloc|failed to allocate memory|cannot allocate memory|out of memory|allocation failed/i;

export const isOutOfMemory = (text: string): boolean => OUT_OF_MEMORY.test(text);

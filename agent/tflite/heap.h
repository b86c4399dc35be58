// How much of the process's heap is in use.
#ifndef ISOCOST_HEAP_H_
#define ISOCOST_HEAP_H_

#include <stdint.h>

// Bytes that malloc has handed out and not got back, in all arenas and mapped
// chunks; -1 where the C library cannot tell (mallinfo2 came with glibc 2.33).
int64_t heap_in_use(void);

#endif

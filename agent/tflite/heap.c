#define _GNU_SOURCE
#include "heap.h"

#include <dlfcn.h>
#include <stddef.h>

// struct mallinfo2 (malloc.h), declared here because older headers lack it.
typedef struct {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
} heap_info;

int64_t heap_in_use(void) {
  heap_info (*info)(void) = (heap_info(*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
  if (!info) return -1;
  heap_info i = info();
  return (int64_t)(i.uordblks + i.hblkhd);
}

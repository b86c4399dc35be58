// An allocator that ONNX Runtime asks instead of its arena and that knows what is in
// use to the byte. It is the process's: one session at a time can be told apart.
#ifndef ISOCOST_ORT_COUNTING_H
#define ISOCOST_ORT_COUNTING_H

#include "shim.h"

// iso_counting_register makes it the environment's allocator of host memory; sessions
// use it that say session.use_env_allocators. Once is enough for a process.
iso_status *iso_counting_register(iso_api, void *env);
// iso_counting_now returns the bytes in use, as they were asked for.
int64_t iso_counting_now(void);
// iso_counting_peak is the most in use since iso_counting_restart.
int64_t iso_counting_peak(void);
void iso_counting_restart(void);

#endif

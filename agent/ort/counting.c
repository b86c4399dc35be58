#include "counting.h"

#include <stdlib.h>

// OrtAllocator as its first members stand in onnxruntime_c_api.h. Those after them are
// read only of an allocator that says it is of version 18 or newer.
struct ort_allocator {
	uint32_t version;
	void *(*alloc)(struct ort_allocator *, size_t);
	void (*release)(struct ort_allocator *, void *);
	const void *(*info)(const struct ort_allocator *);
	void *later[8];
};

// Before each block stands its size; as much as ONNX Runtime aligns to, a cache line.
enum { HEAD = 64 };

static int64_t in_use, peak;
static void *memory_info;

static void *counted_alloc(struct ort_allocator *self, size_t n) {
	(void)self;
	void *block;
	if (n == 0 || n > SIZE_MAX - 2 * HEAD) return NULL;
	// Not C11's aligned_alloc: Android has that from 9 on only.
	if (posix_memalign(&block, HEAD, n + HEAD) != 0) return NULL;
	char *p = block;
	*(size_t *)p = n;
	int64_t now = __atomic_add_fetch(&in_use, (int64_t)n, __ATOMIC_RELAXED);
	int64_t most = __atomic_load_n(&peak, __ATOMIC_RELAXED);
	while (now > most && !__atomic_compare_exchange_n(&peak, &most, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
	}
	return p + HEAD;
}

static void counted_free(struct ort_allocator *self, void *block) {
	(void)self;
	if (block == NULL) return;
	char *p = (char *)block - HEAD;
	__atomic_sub_fetch(&in_use, (int64_t)*(size_t *)p, __ATOMIC_RELAXED);
	free(p);
}

static const void *counted_info(const struct ort_allocator *self) {
	(void)self;
	return memory_info;
}

static struct ort_allocator counting = {17, counted_alloc, counted_free, counted_info, {0}};

iso_status *iso_counting_register(iso_api a, void *env) {
	if (memory_info != NULL) return NULL;
	// OrtDeviceAllocator = 0, OrtMemTypeDefault = 0
	iso_status *s = ((iso_status * (*)(int, int, void **))(a)[ISO_CreateCpuMemoryInfo])(0, 0, &memory_info);
	if (s != NULL) return s;
	s = ((iso_status * (*)(void *, void *))(a)[ISO_RegisterAllocator])(env, &counting);
	if (s != NULL) {
		iso_release_memory(a, memory_info);
		memory_info = NULL;
	}
	return s;
}

int64_t iso_counting_now(void) { return __atomic_load_n(&in_use, __ATOMIC_RELAXED); }
int64_t iso_counting_peak(void) { return __atomic_load_n(&peak, __ATOMIC_RELAXED); }
void iso_counting_restart(void) { __atomic_store_n(&peak, iso_counting_now(), __ATOMIC_RELAXED); }

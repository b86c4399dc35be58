#!/usr/bin/env bash
# peak-memory.sh: what ONNX Runtime really takes for a network's activations, without
# an arena that rounds up: every malloc of one inference is counted by a library
# loaded before the C library's. Writes benchmarks/onnxreader/testdata/peaks.txt, which
# TestPeakBytesOfExportedModels holds the reader's liveness against.
#
#   MODELS_DIR  exported models (scripts/export_models.py makes them)
#   PYTHON      the interpreter that has onnxruntime 1.32.0 and numpy (default python3)
#   NAMES       files in MODELS_DIR, in the order of the list
set -euo pipefail
cd "$(dirname "$0")/.."
models=${MODELS_DIR:?a folder of models made by scripts/export_models.py}
python=${PYTHON:-python3}
list=benchmarks/onnxreader/testdata/peaks.txt
read -ra names <<<"${NAMES:-$(grep -v '^#' "$list" | cut -d' ' -f1 | tr '\n' ' ')}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/count.c" <<'END'
#define _GNU_SOURCE
#include <malloc.h>
#include <stddef.h>
static long held, peak;
static void *add(void *p) {
	if (p) {
		long n = __atomic_add_fetch(&held, malloc_usable_size(p), __ATOMIC_RELAXED);
		if (n > peak) peak = n;
	}
	return p;
}
static void sub(void *p) {
	if (p) __atomic_sub_fetch(&held, malloc_usable_size(p), __ATOMIC_RELAXED);
}
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
void *malloc(size_t n) { return add(__libc_malloc(n)); }
void free(void *p) { sub(p); __libc_free(p); }
void *calloc(size_t a, size_t b) { return add(__libc_calloc(a, b)); }
void *realloc(void *p, size_t n) { sub(p); return add(__libc_realloc(p, n)); }
void *memalign(size_t a, size_t n) { return add(__libc_memalign(a, n)); }
void *aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void **out, size_t a, size_t n) {
	void *p = memalign(a, n);
	if (!p) return 12; /* ENOMEM */
	*out = p;
	return 0;
}
long count_reset(void) { peak = held; return held; }
long count_peak(void) { return peak; }
END
${CC:-cc} -O2 -shared -fPIC -o "$dir/count.so" "$dir/count.c"
cat >"$dir/peak.py" <<'END'
import ctypes
import sys

import numpy
import onnxruntime

count = ctypes.CDLL(sys.argv[1])
count.count_reset.restype = count.count_peak.restype = ctypes.c_long
o = onnxruntime.SessionOptions()
o.intra_op_num_threads = 1
o.enable_cpu_mem_arena = o.enable_mem_pattern = False
s = onnxruntime.InferenceSession(sys.argv[2], o, providers=["CPUExecutionProvider"])
x = {i.name: numpy.zeros([d if isinstance(d, int) else 1 for d in i.shape], numpy.float32) for i in s.get_inputs()}
s.run(None, x)  # whatever is made once
before = count.count_reset()
s.run(None, x)
print(count.count_peak() - before)
END
out="$dir/peaks.txt"
{
	echo "# Peak of activations in bytes, $("$python" -c 'import onnxruntime; print("ONNX Runtime", onnxruntime.__version__)'), CPU, x86 with AVX-512, no arena; scripts/peak-memory.sh"
	for n in "${names[@]}"; do
		echo "$n $(LD_PRELOAD="$dir/count.so" timeout 120 "$python" "$dir/peak.py" "$dir/count.so" "$models/$n")"
	done
} >"$out"
mv "$out" "$list"
cat "$list"

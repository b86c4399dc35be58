#include "shim.h"

#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define CALL(api, name, type) ((type)(api)[ISO_##name])

const char *iso_function(int i, int *index) {
	static const struct {
		const char *name;
		int index;
	} all[] = {
#define X(name, index) {#name, index},
		ISO_FUNCTIONS(X)
#undef X
	};
	if (i >= (int)(sizeof all / sizeof *all)) return NULL;
	*index = all[i].index;
	return all[i].name;
}

// OrtApiBase: {GetApi, GetVersionString}.
struct base {
	iso_api (*get_api)(uint32_t);
	const char *(*version)(void);
};

// The loader keeps its words per thread, and a goroutine may be on another by its
// next call: they are copied here.
static char *loader_words(void) {
	const char *words = dlerror();
	return strdup(words != NULL ? words : "the loader does not say why");
}

void *iso_base(const char *path, char **why) {
	void *lib = dlopen(path, RTLD_LAZY);
	if (lib == NULL) {
		*why = loader_words();
		return NULL;
	}
	void *(*get)(void) = (void *(*)(void))dlsym(lib, "OrtGetApiBase");
	if (get == NULL) {
		*why = strdup("no symbol OrtGetApiBase");
		dlclose(lib);
		return NULL;
	}
	return get();
}

char *iso_preload(const char *path) {
	return dlopen(path, RTLD_LAZY | RTLD_GLOBAL) == NULL ? loader_words() : NULL;
}

void *iso_symbol(const char *path, const char *name) {
	void *lib = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	return lib == NULL ? NULL : dlsym(lib, name);
}

_Static_assert(sizeof(stack_t) <= ISO_SIGNAL_STACK, "a stack_t fits");
void iso_signal_stack(const void *now, void *old) { sigaltstack(now, old); }

const char *iso_version(void *base) { return ((struct base *)base)->version(); }
iso_api iso_get_api(void *base, uint32_t version) { return ((struct base *)base)->get_api(version); }

const char *iso_message(iso_api a, iso_status *s) { return CALL(a, GetErrorMessage, const char *(*)(iso_status *))(s); }
int iso_code(iso_api a, iso_status *s) { return CALL(a, GetErrorCode, int (*)(iso_status *))(s); }
void iso_release_status(iso_api a, iso_status *s) { CALL(a, ReleaseStatus, void (*)(iso_status *))(s); }
const char *iso_build_info(iso_api a) { return CALL(a, GetBuildInfoString, const char *(*)(void))(); }

iso_status *iso_env(iso_api a, int threads, void **env) {
	const int fatal = 4;  // ORT_LOGGING_LEVEL_FATAL
	if (threads < 2) return CALL(a, CreateEnv, iso_status *(*)(int, const char *, void **))(fatal, "isocost", env);
	void *options;
	iso_status *s = CALL(a, CreateThreadingOptions, iso_status *(*)(void **))(&options);
	if (s != NULL) return s;
	s = CALL(a, SetGlobalIntraOpNumThreads, iso_status *(*)(void *, int))(options, threads);
	if (s == NULL) s = CALL(a, SetGlobalInterOpNumThreads, iso_status *(*)(void *, int))(options, 1);
	if (s == NULL)
		s = CALL(a, CreateEnvWithGlobalThreadPools, iso_status *(*)(int, const char *, const void *, void **))(fatal, "isocost", options, env);
	CALL(a, ReleaseThreadingOptions, void (*)(void *))(options);
	return s;
}
iso_status *iso_share_threads(iso_api a, void *options) {
	return CALL(a, DisablePerSessionThreads, iso_status *(*)(void *))(options);
}

iso_status *iso_available(iso_api a, char ***names, int *n) {
	return CALL(a, GetAvailableProviders, iso_status *(*)(char ***, int *))(names, n);
}
void iso_release_available(iso_api a, char **names, int n) {
	iso_status *s = CALL(a, ReleaseAvailableProviders, iso_status *(*)(char **, int))(names, n);
	if (s != NULL) iso_release_status(a, s);
}

iso_status *iso_add_initializer(iso_api a, void *options, const char *name, const void *value) {
	return CALL(a, AddInitializer, iso_status *(*)(void *, const char *, const void *))(options, name, value);
}
iso_status *iso_create_packing(iso_api a, void **packing) {
	return CALL(a, CreatePrepackedWeightsContainer, iso_status *(*)(void **))(packing);
}
void iso_release_packing(iso_api a, void *packing) { CALL(a, ReleasePrepackedWeightsContainer, void (*)(void *))(packing); }
iso_status *iso_session(iso_api a, void *env, const void *model, size_t bytes, const void *options, void *packing, void **session) {
	return CALL(a, CreateSessionFromArrayWithPrepackedWeightsContainer,
		iso_status *(*)(const void *, const void *, size_t, const void *, void *, void **))(env, model, bytes, options, packing, session);
}
void iso_release_session(iso_api a, void *session) { CALL(a, ReleaseSession, void (*)(void *))(session); }

iso_status *iso_dim_override(iso_api a, void *options, const char *name, int64_t value) {
	return CALL(a, AddFreeDimensionOverrideByName, iso_status *(*)(void *, const char *, int64_t))(options, name, value);
}

iso_status *iso_counts(iso_api a, void *session, size_t *in, size_t *out) {
	iso_status *s = CALL(a, SessionGetInputCount, iso_status *(*)(void *, size_t *))(session, in);
	if (s != NULL) return s;
	return CALL(a, SessionGetOutputCount, iso_status *(*)(void *, size_t *))(session, out);
}

static iso_status *allocator(iso_api a, void **out) {
	return CALL(a, GetAllocatorWithDefaultOptions, iso_status *(*)(void **))(out);
}

iso_status *iso_name(iso_api a, void *session, int output, size_t i, char **name) {
	typedef iso_status *(*fn)(void *, size_t, void *, char **);
	void *alloc;
	iso_status *s = allocator(a, &alloc);
	if (s != NULL) return s;
	fn f = output ? CALL(a, SessionGetOutputName, fn) : CALL(a, SessionGetInputName, fn);
	return f(session, i, alloc, name);
}

void iso_free(iso_api a, void *p) {
	void *alloc;
	iso_status *s = allocator(a, &alloc);
	if (s == NULL) s = CALL(a, AllocatorFree, iso_status *(*)(void *, void *))(alloc, p);
	if (s != NULL) iso_release_status(a, s);
}

iso_status *iso_type(iso_api a, void *session, int output, size_t i, void **info, int *tensor, int *dtype, size_t *rank,
	int64_t *dims, const char **symbols, size_t max_rank) {
	typedef iso_status *(*fn)(void *, size_t, void **);
	fn f = output ? CALL(a, SessionGetOutputTypeInfo, fn) : CALL(a, SessionGetInputTypeInfo, fn);
	*info = NULL;
	*tensor = 0;
	iso_status *s = f(session, i, info);
	if (s != NULL) return s;
	const void *t = NULL;  // owned by *info
	s = CALL(a, CastTypeInfoToTensorInfo, iso_status *(*)(void *, const void **))(*info, &t);
	if (s != NULL || t == NULL) return s;
	s = CALL(a, GetTensorElementType, iso_status *(*)(const void *, int *))(t, dtype);
	if (s != NULL) return s;
	s = CALL(a, GetDimensionsCount, iso_status *(*)(const void *, size_t *))(t, rank);
	if (s != NULL || *rank > max_rank) return s;
	*tensor = 1;
	s = CALL(a, GetDimensions, iso_status *(*)(const void *, int64_t *, size_t))(t, dims, *rank);
	if (s != NULL) return s;
	return CALL(a, GetSymbolicDimensions, iso_status *(*)(const void *, const char **, size_t))(t, symbols, *rank);
}
void iso_release_type(iso_api a, void *info) {
	if (info != NULL) CALL(a, ReleaseTypeInfo, void (*)(void *))(info);
}

iso_status *iso_run(iso_api a, void *session, const char *const *in_names, void *const *in, size_t n_in,
	const char *const *out_names, size_t n_out, void **out) {
	return CALL(a, Run, iso_status *(*)(void *, void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **))(
		session, NULL, in_names, in, n_in, out_names, n_out, out);
}

static int64_t monotonic(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

iso_status *iso_loop(iso_api a, void *session, const char *const *in_names, void *const *in, size_t n_in,
	const char *const *out_names, size_t n_out, void **out, int64_t *ns, size_t runs) {
	for (size_t i = 0; i < runs; i++) {
		int64_t start = monotonic();
		iso_status *s = iso_run(a, session, in_names, in, n_in, out_names, n_out, out);
		ns[i] = monotonic() - start;
		if (s != NULL) return s;
	}
	return NULL;
}

iso_status *iso_end_profiling(iso_api a, void *session, char **file) {
	void *alloc;
	iso_status *s = allocator(a, &alloc);
	if (s != NULL) return s;
	return CALL(a, SessionEndProfiling, iso_status *(*)(void *, void *, char **))(session, alloc, file);
}

iso_status *iso_stats(iso_api a, void *session, const void *memory, const char *key, int64_t *value) {
	void *arena = NULL, *alloc, *pairs;
	iso_status *s;
	*value = -1;
	if (memory == NULL) {
		// OrtArenaAllocator = 1, OrtMemTypeDefault = 0.
		s = CALL(a, CreateCpuMemoryInfo, iso_status *(*)(int, int, void **))(1, 0, &arena);
		if (s != NULL) return s;
		memory = arena;
	}
	s = CALL(a, CreateAllocator, iso_status *(*)(void *, const void *, void **))(session, memory, &alloc);
	if (arena != NULL) CALL(a, ReleaseMemoryInfo, void (*)(void *))(arena);
	if (s != NULL) return s;
	s = CALL(a, AllocatorGetStats, iso_status *(*)(void *, void **))(alloc, &pairs);
	if (s == NULL) {
		const char *text = CALL(a, GetKeyValue, const char *(*)(void *, const char *))(pairs, key);
		if (text != NULL && *text != 0) {
			int64_t v = 0;
			for (; *text >= '0' && *text <= '9'; text++) v = v * 10 + (*text - '0');
			if (*text == 0) *value = v;
		}
		CALL(a, ReleaseKeyValuePairs, void (*)(void *))(pairs);
	}
	CALL(a, ReleaseAllocator, void (*)(void *))(alloc);
	return s;
}

iso_status *iso_ep_devices(iso_api a, void *env, void *const **devices, size_t *n) {
	return CALL(a, GetEpDevices, iso_status *(*)(void *, void *const **, size_t *))(env, devices, n);
}
const char *iso_ep_name(iso_api a, void *d) { return CALL(a, EpDevice_EpName, const char *(*)(void *))(d); }
const char *iso_ep_vendor(iso_api a, void *d) { return CALL(a, EpDevice_EpVendor, const char *(*)(void *))(d); }

static const char *value(iso_api a, const void *pairs, const char *key) {
	return pairs == NULL ? NULL : CALL(a, GetKeyValue, const char *(*)(const void *, const char *))(pairs, key);
}
const char *iso_ep_metadata(iso_api a, void *d, const char *key) {
	return value(a, CALL(a, EpDevice_EpMetadata, const void *(*)(void *))(d), key);
}
static void *hw(iso_api a, void *d) { return CALL(a, EpDevice_Device, void *(*)(void *))(d); }
int iso_hw_type(iso_api a, void *d) { return CALL(a, HardwareDevice_Type, int (*)(void *))(hw(a, d)); }
uint32_t iso_hw_vendor_id(iso_api a, void *d) { return CALL(a, HardwareDevice_VendorId, uint32_t (*)(void *))(hw(a, d)); }
uint32_t iso_hw_device_id(iso_api a, void *d) { return CALL(a, HardwareDevice_DeviceId, uint32_t (*)(void *))(hw(a, d)); }
const char *iso_hw_vendor(iso_api a, void *d) { return CALL(a, HardwareDevice_Vendor, const char *(*)(void *))(hw(a, d)); }

iso_status *iso_append_v2(iso_api a, void *options, void *env, void *const *devices, size_t n, const char *const *keys,
	const char *const *values, size_t n_options) {
	return CALL(a, SessionOptionsAppendExecutionProvider_V2,
		iso_status *(*)(void *, void *, void *const *, size_t, const char *const *, const char *const *, size_t))(
		options, env, devices, n, keys, values, n_options);
}

iso_status *iso_create_binding(iso_api a, void *session, void **binding) {
	return CALL(a, CreateIoBinding, iso_status *(*)(void *, void **))(session, binding);
}
void iso_release_binding(iso_api a, void *binding) { CALL(a, ReleaseIoBinding, void (*)(void *))(binding); }
iso_status *iso_bind_input(iso_api a, void *binding, const char *name, void *value) {
	return CALL(a, BindInput, iso_status *(*)(void *, const char *, const void *))(binding, name, value);
}
iso_status *iso_bind_output(iso_api a, void *binding, const char *name, const void *memory) {
	return CALL(a, BindOutputToDevice, iso_status *(*)(void *, const char *, const void *))(binding, name, memory);
}
iso_status *iso_run_binding(iso_api a, void *session, void *binding) {
	iso_status *s = CALL(a, RunWithBinding, iso_status *(*)(void *, const void *, const void *))(session, NULL, binding);
	if (s != NULL) return s;
	return CALL(a, SynchronizeBoundOutputs, iso_status *(*)(void *))(binding);
}
const void *iso_device_memory(iso_api a, void *ep_device) {
	// OrtDeviceMemoryType_DEFAULT = 0
	return CALL(a, EpDevice_MemoryInfo, const void *(*)(void *, int))(ep_device, 0);
}
iso_status *iso_named_memory(iso_api a, const char *name, int device, void **memory) {
	// OrtDeviceAllocator = 0, OrtMemTypeDefault = 0
	return CALL(a, CreateMemoryInfo, iso_status *(*)(const char *, int, int, int, void **))(name, 0, device, 0, memory);
}
void iso_release_memory(iso_api a, void *memory) { CALL(a, ReleaseMemoryInfo, void (*)(void *))(memory); }

iso_status *iso_tensor(iso_api a, void *data, size_t bytes, const int64_t *shape, size_t rank, int dtype, void **value) {
	void *mem;
	// OrtDeviceAllocator = 0, OrtMemTypeDefault = 0: plain host memory.
	iso_status *s = CALL(a, CreateCpuMemoryInfo, iso_status *(*)(int, int, void **))(0, 0, &mem);
	if (s != NULL) return s;
	s = CALL(a, CreateTensorWithDataAsOrtValue,
		iso_status *(*)(const void *, void *, size_t, const int64_t *, size_t, int, void **))(
		mem, data, bytes, shape, rank, dtype, value);
	iso_release_memory(a, mem);
	return s;
}
iso_status *iso_strings(iso_api a, const int64_t *shape, size_t rank, const char *const *text, size_t n, void **value) {
	void *alloc;
	iso_status *s = allocator(a, &alloc);
	if (s != NULL) return s;
	// ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING = 8
	s = CALL(a, CreateTensorAsOrtValue, iso_status *(*)(void *, const int64_t *, size_t, int, void **))(alloc, shape, rank, 8, value);
	if (s != NULL || text == NULL) return s;
	return CALL(a, FillStringTensor, iso_status *(*)(void *, const char *const *, size_t))(*value, text, n);
}
iso_status *iso_string_bytes(iso_api a, void *value, size_t *bytes) {
	return CALL(a, GetStringTensorDataLength, iso_status *(*)(const void *, size_t *))(value, bytes);
}
iso_status *iso_string_content(iso_api a, void *value, void *to, size_t bytes, size_t *offsets, size_t n) {
	return CALL(a, GetStringTensorContent, iso_status *(*)(const void *, void *, size_t, size_t *, size_t))(value, to, bytes, offsets, n);
}
iso_status *iso_shape(iso_api a, void *value, size_t *rank, int64_t *dims, size_t max_rank) {
	void *info;
	iso_status *s = CALL(a, GetTensorTypeAndShape, iso_status *(*)(const void *, void **))(value, &info);
	if (s != NULL) return s;
	s = CALL(a, GetDimensionsCount, iso_status *(*)(const void *, size_t *))(info, rank);
	if (s == NULL && *rank <= max_rank) s = CALL(a, GetDimensions, iso_status *(*)(const void *, int64_t *, size_t))(info, dims, *rank);
	CALL(a, ReleaseTensorTypeAndShapeInfo, void (*)(void *))(info);
	return s;
}
void iso_release_value(iso_api a, void *value) {
	if (value != NULL) CALL(a, ReleaseValue, void (*)(void *))(value);
}

iso_status *iso_assignment(iso_api a, void *session, void *const **subgraphs, size_t *n) {
	return CALL(a, Session_GetEpGraphAssignmentInfo, iso_status *(*)(void *, void *const **, size_t *))(session, subgraphs, n);
}
iso_status *iso_subgraph(iso_api a, void *subgraph, const char **ep, void *const **nodes, size_t *n) {
	iso_status *s = CALL(a, EpAssignedSubgraph_GetEpName, iso_status *(*)(void *, const char **))(subgraph, ep);
	if (s != NULL) return s;
	return CALL(a, EpAssignedSubgraph_GetNodes, iso_status *(*)(void *, void *const **, size_t *))(subgraph, nodes, n);
}
iso_status *iso_node(iso_api a, void *node, const char **name, const char **domain, const char **op) {
	iso_status *s = CALL(a, EpAssignedNode_GetName, iso_status *(*)(void *, const char **))(node, name);
	if (s == NULL) s = CALL(a, EpAssignedNode_GetDomain, iso_status *(*)(void *, const char **))(node, domain);
	if (s == NULL) s = CALL(a, EpAssignedNode_GetOperatorType, iso_status *(*)(void *, const char **))(node, op);
	return s;
}

iso_status *iso_append_legacy(void *fn, void *options, uint32_t flags) {
	return ((iso_status *(*)(void *, uint32_t))fn)(options, flags);
}

// Calls into the ONNX Runtime library that is already loaded, for what the Go
// binding lacks. Nothing of ONNX Runtime's header is copied: OrtApi is a table of
// function pointers that is only ever appended to, so a call is an index into it
// and a prototype. shim_test.go holds every index against the binding's header.
#ifndef ISOCOST_ORT_SHIM_H
#define ISOCOST_ORT_SHIM_H

#include <stddef.h>
#include <stdint.h>

typedef void *const *iso_api;  // OrtApi
typedef void iso_status;       // OrtStatus, NULL is success

// The table's indices, from onnxruntime_c_api.h.
#define ISO_FUNCTIONS(X)                                                      \
	X(CreateStatus, 0) X(GetErrorCode, 1) X(GetErrorMessage, 2)               \
	X(CreateEnv, 3) X(Run, 9)                                                 \
	X(SessionGetInputCount, 30) X(SessionGetOutputCount, 31)                  \
	X(SessionGetInputTypeInfo, 33) X(SessionGetOutputTypeInfo, 34)            \
	X(SessionGetInputName, 36) X(SessionGetOutputName, 37)                    \
	X(CastTypeInfoToTensorInfo, 55) X(GetTensorElementType, 60)               \
	X(CreateTensorAsOrtValue, 48) X(CreateTensorWithDataAsOrtValue, 49)       \
	X(FillStringTensor, 52) X(GetStringTensorDataLength, 53)                  \
	X(GetStringTensorContent, 54)                                             \
	X(GetDimensionsCount, 61) X(GetDimensions, 62)                            \
	X(GetSymbolicDimensions, 63) X(GetTensorTypeAndShape, 65)                 \
	X(CreateMemoryInfo, 68) X(CreateCpuMemoryInfo, 69)                        \
	X(AllocatorFree, 76) X(GetAllocatorWithDefaultOptions, 78)                \
	X(ReleaseStatus, 93) X(ReleaseMemoryInfo, 94) X(ReleaseSession, 95)       \
	X(ReleaseValue, 96)                                                       \
	X(ReleaseTypeInfo, 98) X(ReleaseTensorTypeAndShapeInfo, 99)               \
	X(SessionEndProfiling, 110) X(CreateEnvWithGlobalThreadPools, 119)        \
	X(DisablePerSessionThreads, 120) X(CreateThreadingOptions, 121)           \
	X(ReleaseThreadingOptions, 122) X(AddFreeDimensionOverrideByName, 124)    \
	X(GetAvailableProviders, 125) X(ReleaseAvailableProviders, 126)           \
	X(CreateAllocator, 131) X(ReleaseAllocator, 132) X(RegisterAllocator, 176)   \
	X(RunWithBinding, 133) X(CreateIoBinding, 134) X(ReleaseIoBinding, 135)   \
	X(BindInput, 136) X(BindOutputToDevice, 138)                              \
	X(AddInitializer, 150) X(CreatePrepackedWeightsContainer, 166)            \
	X(ReleasePrepackedWeightsContainer, 167)                                  \
	X(CreateSessionFromArrayWithPrepackedWeightsContainer, 169)               \
	X(SetGlobalIntraOpNumThreads, 147) X(SetGlobalInterOpNumThreads, 148)     \
	X(SynchronizeBoundOutputs, 203) X(GetBuildInfoString, 254)                \
	X(GetKeyValue, 297) X(ReleaseKeyValuePairs, 300)                          \
	X(GetEpDevices, 303)                                                      \
	X(SessionOptionsAppendExecutionProvider_V2, 304)                          \
	X(HardwareDevice_Type, 307) X(HardwareDevice_VendorId, 308)               \
	X(HardwareDevice_Vendor, 309) X(HardwareDevice_DeviceId, 310)             \
	X(EpDevice_EpName, 312) X(EpDevice_EpVendor, 313)                         \
	X(EpDevice_EpMetadata, 314) X(EpDevice_Device, 316)                       \
	X(AllocatorGetStats, 319) X(EpDevice_MemoryInfo, 374)                     \
	X(Session_GetEpGraphAssignmentInfo, 407)                                  \
	X(EpAssignedSubgraph_GetEpName, 408) X(EpAssignedSubgraph_GetNodes, 409)  \
	X(EpAssignedNode_GetName, 410) X(EpAssignedNode_GetDomain, 411)           \
	X(EpAssignedNode_GetOperatorType, 412)

enum {
#define X(name, index) ISO_##name = index,
	ISO_FUNCTIONS(X)
#undef X
};

// iso_function returns the i-th name and index of the list above, NULL past its end.
const char *iso_function(int i, int *index);

// iso_base loads the library and returns its OrtApiBase; on failure NULL and, in
// *why, the loader's words for the caller to free.
void *iso_base(const char *path, char **why);
const char *iso_version(void *base);
iso_api iso_get_api(void *base, uint32_t version);
// iso_preload loads a library for others that need it by its soname; NULL, or why not
// (for the caller to free).
char *iso_preload(const char *path);
void *iso_symbol(const char *path, const char *name);

// iso_signal_stack swaps the calling thread's alternate signal stack: it writes the one in
// force to *old and, unless now is NULL, puts now in its place. Both are ISO_SIGNAL_STACK bytes.
enum { ISO_SIGNAL_STACK = 32 };
void iso_signal_stack(const void *now, void *old);

const char *iso_message(iso_api, iso_status *);
int iso_code(iso_api, iso_status *);
void iso_release_status(iso_api, iso_status *);
const char *iso_build_info(iso_api);
// iso_env makes the process's environment with a pool of intra-op threads that sessions
// share after iso_share_threads(their options); with fewer than 2 it has no pool. Once
// there is an environment, it is what every further call returns.
iso_status *iso_env(iso_api, int threads, void **env);
iso_status *iso_share_threads(iso_api, void *options);

iso_status *iso_available(iso_api, char ***names, int *n);
void iso_release_available(iso_api, char **names, int n);

// iso_add_initializer has sessions made with options use value, which must outlive them, in
// place of the model's constant of that name. What their kernels repack of such constants
// goes into the packing of iso_session, which must outlive them, too.
iso_status *iso_add_initializer(iso_api, void *options, const char *name, const void *value);
iso_status *iso_create_packing(iso_api, void **packing);
void iso_release_packing(iso_api, void *packing);
iso_status *iso_session(iso_api, void *env, const void *model, size_t bytes, const void *options, void *packing, void **session);
void iso_release_session(iso_api, void *session);

iso_status *iso_dim_override(iso_api, void *options, const char *name, int64_t value);
iso_status *iso_counts(iso_api, void *session, size_t *in, size_t *out);
// iso_name returns an allocated name; free it with iso_free.
iso_status *iso_name(iso_api, void *session, int output, size_t i, char **name);
void iso_free(iso_api, void *p);
// iso_type returns the type of an input or output. *tensor is 0 when it is no
// tensor. symbols[d] is valid until iso_release_type(info).
iso_status *iso_type(iso_api, void *session, int output, size_t i, void **info, int *tensor,
	int *dtype, size_t *rank, int64_t *dims, const char **symbols, size_t max_rank);
void iso_release_type(iso_api, void *info);

iso_status *iso_run(iso_api, void *session, const char *const *in_names, void *const *in, size_t n_in,
	const char *const *out_names, size_t n_out, void **out);
// iso_loop calls iso_run again and again and writes each call's nanoseconds
// (CLOCK_MONOTONIC): the bare loop that the harness is held against.
iso_status *iso_loop(iso_api, void *session, const char *const *in_names, void *const *in, size_t n_in,
	const char *const *out_names, size_t n_out, void **out, int64_t *ns, size_t runs);
iso_status *iso_end_profiling(iso_api, void *session, char **file);

// iso_stats reads a figure of the session's allocator for a memory by key into
// *value; -1 when the allocator does not have it. NULL memory is the CPU arena.
iso_status *iso_stats(iso_api, void *session, const void *memory, const char *key, int64_t *value);

iso_status *iso_ep_devices(iso_api, void *env, void *const **devices, size_t *n);
const char *iso_ep_name(iso_api, void *device);
const char *iso_ep_vendor(iso_api, void *device);
const char *iso_ep_metadata(iso_api, void *device, const char *key);
int iso_hw_type(iso_api, void *device);
uint32_t iso_hw_vendor_id(iso_api, void *device);
uint32_t iso_hw_device_id(iso_api, void *device);
const char *iso_hw_vendor(iso_api, void *device);
iso_status *iso_append_v2(iso_api, void *options, void *env, void *const *devices, size_t n,
	const char *const *keys, const char *const *values, size_t n_options);
// A binding holds a run's inputs and outputs in the device's own memory: inputs are
// copied there when bound, outputs stay there. memory is of the kind iso_device_memory
// or iso_named_memory gave.
iso_status *iso_create_binding(iso_api, void *session, void **binding);
void iso_release_binding(iso_api, void *binding);
iso_status *iso_bind_input(iso_api, void *binding, const char *name, void *value);
iso_status *iso_bind_output(iso_api, void *binding, const char *name, const void *memory);
// iso_run_binding returns when the device is done, not when the work is queued.
iso_status *iso_run_binding(iso_api, void *session, void *binding);
// iso_device_memory is a plugin device's memory, owned by the device; NULL when it
// has none of its own.
const void *iso_device_memory(iso_api, void *ep_device);
// iso_named_memory is a built-in provider's memory ("Cuda"); release it.
iso_status *iso_named_memory(iso_api, const char *name, int device, void **memory);
void iso_release_memory(iso_api, void *memory);

// iso_tensor wraps host memory that must outlive the value.
iso_status *iso_tensor(iso_api, void *data, size_t bytes, const int64_t *shape, size_t rank, int dtype, void **value);
// iso_strings makes a tensor of n strings in the runtime's own memory; NULL leaves
// them empty.
iso_status *iso_strings(iso_api, const int64_t *shape, size_t rank, const char *const *text, size_t n, void **value);
// iso_string_bytes is the length of a string tensor's elements together;
// iso_string_content copies them and where each begins.
iso_status *iso_string_bytes(iso_api, void *value, size_t *bytes);
iso_status *iso_string_content(iso_api, void *value, void *to, size_t bytes, size_t *offsets, size_t n);
iso_status *iso_shape(iso_api, void *value, size_t *rank, int64_t *dims, size_t max_rank);
void iso_release_value(iso_api, void *value);

iso_status *iso_assignment(iso_api, void *session, void *const **subgraphs, size_t *n);
iso_status *iso_subgraph(iso_api, void *subgraph, const char **ep, void *const **nodes, size_t *n);
iso_status *iso_node(iso_api, void *node, const char **name, const char **domain, const char **op);

// iso_append_legacy calls an exported OrtSessionOptionsAppendExecutionProvider_… function
// of one integer argument (NNAPI's flags, ACL's fast-math switch).
iso_status *iso_append_legacy(void *fn, void *options, uint32_t flags);

#endif

// The part of LiteRT's C API (litert/c/*.h of google-ai-edge/LiteRT, release 2.3)
// that isocost calls, declared by hand and bound by dlsym: nothing is linked.
#ifndef ISOCOST_LITERT_H_
#define ISOCOST_LITERT_H_

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rt_env *rt_env_t;
typedef struct rt_model *rt_model_t;
typedef struct rt_options *rt_options_t;
typedef struct rt_opaque *rt_opaque_t;
typedef struct rt_compiled *rt_compiled_t;
typedef struct rt_signature *rt_signature_t;
typedef struct rt_tensor *rt_tensor_t;
typedef struct rt_requirements *rt_requirements_t;
typedef struct rt_buffer *rt_buffer_t;
typedef struct rt_profiler *rt_profiler_t;

// litert_layout.h: rank is a 7-bit field beside a 1-bit flag.
typedef struct {
  uint32_t rank : 7;
  uint32_t has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
} rt_layout;
static_assert(sizeof(rt_layout) == 68, "LiteRtLayout");

// litert_model_types.h
typedef struct {
  int32_t element_type;
  rt_layout layout;
} rt_tensor_type;
static_assert(sizeof(rt_tensor_type) == 72, "LiteRtRankedTensorType");

// litert_any.h
typedef struct {
  int32_t type;
  union {
    bool b;
    int64_t i;
    double r;
    const char *s;
    const void *p;
  } value;
} rt_any;
static_assert(sizeof(rt_any) == 16, "LiteRtAny");

// litert_environment_options.h
typedef struct {
  int32_t tag;
  rt_any value;
} rt_env_option;
static_assert(sizeof(rt_env_option) == 24, "LiteRtEnvOption");

// litert_profiler_event.h
typedef struct {
  size_t total, in_use, footprint;
} rt_memory_usage;
typedef struct {
  const char *tag;
  int32_t event_type;
  uint64_t start_us, elapsed_us;
  rt_memory_usage begin, end;
  uint64_t metadata1, metadata2;
  int32_t source;
} rt_event;
static_assert(sizeof(rt_event) == 104, "ProfiledEventData");

#define RT_FUNCTIONS(X)                                                                                     \
  X(CreateEnvironment, int, (int, const rt_env_option *, rt_env_t *))                                       \
  X(DestroyEnvironment, void, (rt_env_t))                                                                   \
  X(CreateModelFromBuffer, int, (rt_env_t, const void *, size_t, rt_model_t *))                             \
  X(DestroyModel, void, (rt_model_t))                                                                       \
  X(CreateOptions, int, (rt_options_t *))                                                                   \
  X(DestroyOptions, void, (rt_options_t))                                                                   \
  X(SetOptionsHardwareAccelerators, int, (rt_options_t, int))                                               \
  X(CreateOpaqueOptions, int, (const char *, void *, void (*)(void *), rt_opaque_t *))                      \
  X(DestroyOpaqueOptions, void, (rt_opaque_t))                                                              \
  X(AddOpaqueOptions, int, (rt_options_t, rt_opaque_t))                                                     \
  X(CreateCompiledModel, int, (rt_env_t, rt_model_t, rt_options_t, rt_compiled_t *))                        \
  X(DestroyCompiledModel, void, (rt_compiled_t))                                                            \
  X(GetModelSignature, int, (rt_model_t, size_t, rt_signature_t *))                                         \
  X(GetNumSignatureInputs, int, (rt_signature_t, size_t *))                                                 \
  X(GetNumSignatureOutputs, int, (rt_signature_t, size_t *))                                                \
  X(GetSignatureInputName, int, (rt_signature_t, size_t, const char **))                                    \
  X(GetSignatureOutputName, int, (rt_signature_t, size_t, const char **))                                   \
  X(GetSignatureInputTensorByIndex, int, (rt_signature_t, size_t, rt_tensor_t *))                           \
  X(GetSignatureOutputTensorByIndex, int, (rt_signature_t, size_t, rt_tensor_t *))                          \
  X(GetRankedTensorType, int, (rt_tensor_t, rt_tensor_type *))                                              \
  X(CompiledModelResizeInputTensor, int, (rt_compiled_t, size_t, size_t, const int *, size_t))              \
  X(GetCompiledModelInputTensorLayout, int, (rt_compiled_t, size_t, size_t, rt_layout *))                   \
  X(GetCompiledModelOutputTensorLayouts, int, (rt_compiled_t, size_t, size_t, rt_layout *, bool))           \
  X(GetCompiledModelInputBufferRequirements, int, (rt_compiled_t, size_t, size_t, rt_requirements_t *))     \
  X(GetCompiledModelOutputBufferRequirements, int, (rt_compiled_t, size_t, size_t, rt_requirements_t *))    \
  X(CreateManagedTensorBufferFromRequirements, int,                                                         \
    (rt_env_t, const rt_tensor_type *, rt_requirements_t, rt_buffer_t *))                                   \
  X(GetTensorBufferPackedSize, int, (rt_buffer_t, size_t *))                                                \
  X(LockTensorBuffer, int, (rt_buffer_t, void **, int))                                                     \
  X(UnlockTensorBuffer, int, (rt_buffer_t))                                                                 \
  X(DestroyTensorBuffer, void, (rt_buffer_t))                                                               \
  X(RunCompiledModel, int, (rt_compiled_t, size_t, size_t, rt_buffer_t *, size_t, rt_buffer_t *))           \
  X(CompiledModelIsFullyAccelerated, int, (rt_compiled_t, bool *))                                          \
  X(CompiledModelIsNonCpuFullyAccelerated, int, (rt_compiled_t, bool *))                                    \
  X(CompiledModelGetErrorMessages, int, (rt_compiled_t, char **))                                           \
  X(CompiledModelGetProfiler, int, (rt_compiled_t, rt_profiler_t *))                                        \
  X(StartProfiler, int, (rt_profiler_t))                                                                    \
  X(StopProfiler, int, (rt_profiler_t))                                                                     \
  X(ResetProfiler, int, (rt_profiler_t))                                                                    \
  X(GetNumProfilerEvents, int, (rt_profiler_t, int *))                                                      \
  X(GetProfilerEvents, int, (rt_profiler_t, int, rt_event *))

typedef struct {
#define RT_FIELD(name, ret, args) ret(*name) args;
  RT_FUNCTIONS(RT_FIELD)
#undef RT_FIELD
} litert_api;

enum { litert_name_length = 127 };  // a longer name is cut

// One input or output of an open model.
typedef struct {
  char name[litert_name_length + 1];
  rt_tensor_type type;  // with the shape of the compiled model
  rt_buffer_t buffer;
  size_t bytes;
} litert_tensor;

// An open model. Zero it before litert_open.
typedef struct {
  const litert_api *api;
  rt_env_t env;
  void *bytes;  // aligned copy of the model, which the runtime reads for as long as it lives
  rt_model_t model;
  rt_compiled_t compiled;
  rt_profiler_t profiler;
  int inputs, outputs;
  litert_tensor *input, *output;
  rt_buffer_t *in_buffers, *out_buffers;
  size_t signature;     // index of the signature that is run
  bool lock_outputs;    // wait for a device that runs on after RunCompiledModel has returned
  const char *failed;   // the call that failed
} litert_session;

// Binds every function; on failure returns the name of the first missing symbol.
const char *litert_bind(void *library, litert_api *api);

// A TOML option for one accelerator; unknown ids and keys are ignored by LiteRT.
typedef struct {
  const char *id, *toml;
} litert_option;

// One input's shape, when a dynamic model is resized.
typedef struct {
  int rank;  // 0: keep the model's own
  int dims[8];
} litert_shape;

// All return a LiteRtStatus (0 is success) and name the failed call in s->failed.
int litert_environment(const litert_api *api, const char *runtime_dir, rt_env_t *env);
int litert_load(litert_session *s, const litert_api *api, rt_env_t env, const void *model, size_t size);
int litert_compile(litert_session *s, int accelerators, const litert_option *options, int n, bool profile);
int litert_resize(litert_session *s, int input, litert_shape shape);
int litert_buffers(litert_session *s);
int litert_write(litert_session *s, int input, const void *data, size_t size);
int litert_read(litert_session *s, int output, void *data, size_t size);
int litert_run(litert_session *s);
int litert_accelerated(litert_session *s, bool *all, bool *off_cpu);
int litert_profile_start(litert_session *s);
// Stops and hands out malloc'd events, whose tags live as long as the session.
int litert_profile_stop(litert_session *s, rt_event **events, int *n);
int litert_rank(const rt_layout *layout);
int litert_messages(litert_session *s, char **text);  // malloc'd
void litert_close(litert_session *s);

#endif

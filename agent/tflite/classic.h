// The part of TensorFlow Lite's classic C API (tensorflow/lite/c/c_api.h and
// common.h, XNNPACK, GPU and external delegates) that isocost calls, declared by
// hand and bound by dlsym. The layouts are those of 2.9 to 2.23, unchanged.
#ifndef ISOCOST_CLASSIC_H_
#define ISOCOST_CLASSIC_H_

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tfl_model *tfl_model_t;
typedef struct tfl_options *tfl_options_t;
typedef struct tfl_interpreter *tfl_interpreter_t;

typedef struct {
  int size;
  int data[];
} tfl_ints;

// TfLiteTensor, as far as it is read.
typedef struct {
  int32_t type;
  char *data;
  tfl_ints *dims;
  struct {
    float scale;
    int32_t zero;
  } params;
  int32_t allocation_type;
  size_t bytes;
  const void *allocation;
  const char *name;
  void *delegate;
  int buffer_handle;
  bool data_is_stale, is_variable;
  int32_t quantization_type;
  void *quantization;
  void *sparsity;
  tfl_ints *dims_signature;
} tfl_tensor;
static_assert(sizeof(tfl_tensor) == 112, "TfLiteTensor");

// TfLiteNode.
typedef struct {
  tfl_ints *inputs, *outputs, *intermediates, *temporaries;
  void *user_data, *builtin_data;
  const void *custom_initial_data;
  int custom_initial_data_size;
  void *delegate;
  bool might_have_side_effect;
} tfl_node;

// TfLiteRegistration, as far as it is read.
typedef struct {
  void *init, *free, *prepare, *invoke, *profiling_string;
  int32_t builtin_code;
  const char *custom_name;
  int version;
} tfl_registration;

// TfLiteDelegateParams: builtin_data of a node that stands for others.
typedef struct {
  void *delegate;
  tfl_ints *nodes_to_replace, *input_tensors, *output_tensors;
} tfl_delegate_params;

// TfLiteContext, as far as it is read.
typedef struct tfl_context {
  size_t tensors_size;
  int (*GetExecutionPlan)(struct tfl_context *, tfl_ints **);
  tfl_tensor *tensors;
  void *impl;
  void *ResizeTensor, *ReportError, *AddTensors;
  int (*GetNodeAndRegistration)(struct tfl_context *, int, tfl_node **, tfl_registration **);
} tfl_context;

// TfLiteDelegate.
typedef struct tfl_delegate {
  void *data;
  int (*Prepare)(tfl_context *, struct tfl_delegate *);
  void *CopyFromBufferHandle, *CopyToBufferHandle, *FreeBufferHandle;
  int64_t flags;
  void *opaque_delegate_builder;
} tfl_delegate;
static_assert(sizeof(tfl_delegate) == 56, "TfLiteDelegate");

// TfLiteXNNPackDelegateOptions begins with these two in every version and has
// grown since; zero is the default of all that follows. The library's own
// …OptionsDefault is not called: it returns the structure by value, and how
// depends on its size.
typedef struct {
  int32_t num_threads;
  uint32_t flags;
  char later[248];
} tfl_xnnpack_options;

// TfLiteGpuDelegateOptionsV2.
typedef struct {
  int32_t is_precision_loss_allowed;
  int32_t inference_preference;
  int32_t priority1, priority2, priority3;
  int64_t experimental_flags;
  int32_t max_delegated_partitions;
  const char *serialization_dir, *model_token;
} tfl_gpu_options;
static_assert(sizeof(tfl_gpu_options) == 56, "TfLiteGpuDelegateOptionsV2");

#define TFL_FUNCTIONS(X)                                                                \
  X(Version, const char *, (void))                                                      \
  X(ModelCreate, tfl_model_t, (const void *, size_t))                                   \
  X(ModelDelete, void, (tfl_model_t))                                                   \
  X(InterpreterOptionsCreate, tfl_options_t, (void))                                    \
  X(InterpreterOptionsDelete, void, (tfl_options_t))                                    \
  X(InterpreterOptionsSetNumThreads, void, (tfl_options_t, int32_t))                    \
  X(InterpreterOptionsAddDelegate, void, (tfl_options_t, tfl_delegate *))               \
  X(InterpreterOptionsSetErrorReporter, void,                                           \
    (tfl_options_t, void (*)(void *, const char *, va_list), void *))                   \
  X(InterpreterCreate, tfl_interpreter_t, (tfl_model_t, tfl_options_t))                 \
  X(InterpreterDelete, void, (tfl_interpreter_t))                                       \
  X(InterpreterGetInputTensorCount, int32_t, (tfl_interpreter_t))                       \
  X(InterpreterGetInputTensor, tfl_tensor *, (tfl_interpreter_t, int32_t))              \
  X(InterpreterGetOutputTensorCount, int32_t, (tfl_interpreter_t))                      \
  X(InterpreterGetOutputTensor, const tfl_tensor *, (tfl_interpreter_t, int32_t))       \
  X(InterpreterResizeInputTensor, int, (tfl_interpreter_t, int32_t, const int *, int))  \
  X(InterpreterAllocateTensors, int, (tfl_interpreter_t))                               \
  X(InterpreterModifyGraphWithDelegate, int, (tfl_interpreter_t, const tfl_delegate *)) \
  X(InterpreterInvoke, int, (tfl_interpreter_t))                                        \
  X(TensorCopyFromBuffer, int, (tfl_tensor *, const void *, size_t))                    \
  X(TensorCopyToBuffer, int, (const tfl_tensor *, void *, size_t))

typedef struct {
#define TFL_FIELD(name, ret, args) ret(*name) args;
  TFL_FUNCTIONS(TFL_FIELD)
#undef TFL_FIELD
  // NULL when the library was built without XNNPACK.
  tfl_delegate *(*XNNPackDelegateCreate)(const tfl_xnnpack_options *);
  void (*XNNPackDelegateDelete)(tfl_delegate *);
} classic_api;

// A node of the execution plan, or one that a delegate's node stands for.
typedef struct {
  int index;
  int code;
  char custom[64];
  char owner[64];  // the delegate's name, "" for the library's own kernels
} classic_node;



typedef struct {
  const classic_api *api;
  void *bytes;
  tfl_model_t model;
  tfl_options_t options;
  tfl_interpreter_t interpreter;
  tfl_delegate *delegate;
  void (*delete_delegate)(tfl_delegate *);
  tfl_delegate observer;
  classic_node *nodes;
  int node_count;
  // Filled by the observer: bytes the tensors' arenas span.
  size_t arena, persistent;
  char message[512];  // what the library last reported
  const char *failed;
} classic_session;

const char *tfl_version(const classic_api *api);
const char *classic_bind(void *library, classic_api *api);
int classic_load(classic_session *s, const classic_api *api, const void *model, size_t size);
int classic_xnnpack(classic_session *s, int threads, uint32_t flags);
// NULL symbols in library make these fail with the name in s->failed.
int classic_gpu(classic_session *s, void *library, tfl_gpu_options options);
int classic_external(classic_session *s, void *library, char **keys, char **values, size_t n);
int classic_create(classic_session *s, int threads);
int classic_resize(classic_session *s, int input, const int *dims, int rank);
int classic_allocate(classic_session *s);
// Looks where the nodes run, without changing it.
int classic_observe(classic_session *s);
int classic_invoke(classic_session *s);
int classic_inputs(classic_session *s);
int classic_outputs(classic_session *s);
tfl_tensor *classic_input(classic_session *s, int i);
tfl_tensor *classic_output(classic_session *s, int i);
int *classic_ints(tfl_ints *a);
int classic_write(classic_session *s, int input, const void *data, size_t size);
int classic_read(classic_session *s, int output, void *data, size_t size);
void classic_close(classic_session *s);

#endif

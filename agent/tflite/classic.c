//go:build cgo

#define _GNU_SOURCE
#include "classic.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  kBuiltinDelegate = 51,    // BuiltinOperator DELEGATE
  kArenaRw = 2,             // TfLiteAllocationType
  kArenaRwPersistent = 3,   //
  kAllowDynamicTensors = 1, // TfLiteDelegateFlags
  kError = 1,               // TfLiteStatus
};

const char *classic_bind(void *library, classic_api *api) {
#define TFL_BIND(name, ret, args)                           \
  *(void **)(&api->name) = dlsym(library, "TfLite" #name);  \
  if (!api->name) return "TfLite" #name;
  TFL_FUNCTIONS(TFL_BIND)
#undef TFL_BIND
  *(void **)(&api->XNNPackDelegateCreate) = dlsym(library, "TfLiteXNNPackDelegateCreate");
  *(void **)(&api->XNNPackDelegateDelete) = dlsym(library, "TfLiteXNNPackDelegateDelete");
  return NULL;
}

const char *tfl_version(const classic_api *api) { return api->Version(); }

static int failed(classic_session *s, const char *what, int status) {
  if (status) s->failed = what;
  return status;
}

static void report(void *user, const char *format, va_list args) {
  classic_session *s = user;
  vsnprintf(s->message, sizeof s->message, format, args);
}

int classic_load(classic_session *s, const classic_api *api, const void *model, size_t size) {
  s->api = api;
  if (posix_memalign(&s->bytes, 64, size + 64)) return failed(s, "posix_memalign", kError);
  memcpy(s->bytes, model, size);
  s->model = api->ModelCreate(s->bytes, size);
  if (!s->model) return failed(s, "TfLiteModelCreate", kError);
  s->options = api->InterpreterOptionsCreate();
  api->InterpreterOptionsSetErrorReporter(s->options, report, s);
  return 0;
}

int classic_xnnpack(classic_session *s, int threads, uint32_t flags) {
  tfl_xnnpack_options o;
  memset(&o, 0, sizeof o);
  o.num_threads = threads;
  o.flags = flags;
  s->delegate = s->api->XNNPackDelegateCreate(&o);
  s->delete_delegate = s->api->XNNPackDelegateDelete;
  return failed(s, "TfLiteXNNPackDelegateCreate", s->delegate ? 0 : kError);
}

int classic_gpu(classic_session *s, void *library, tfl_gpu_options options) {
  tfl_delegate *(*create)(const tfl_gpu_options *);
  *(void **)&create = dlsym(library, "TfLiteGpuDelegateV2Create");
  *(void **)&s->delete_delegate = dlsym(library, "TfLiteGpuDelegateV2Delete");
  if (!create || !s->delete_delegate) return failed(s, "dlsym TfLiteGpuDelegateV2Create", kError);
  s->delegate = create(&options);
  return failed(s, "TfLiteGpuDelegateV2Create", s->delegate ? 0 : kError);
}

// The delegate's report function has no user argument; one delegate is created at
// a time, on a thread of its own.
static _Thread_local classic_session *reporting;
static void report_external(const char *message) {
  if (reporting) snprintf(reporting->message, sizeof reporting->message, "%s", message);
}

int classic_external(classic_session *s, void *library, char **keys, char **values, size_t n) {
  tfl_delegate *(*create)(char **, char **, size_t, void (*)(const char *));
  *(void **)&create = dlsym(library, "tflite_plugin_create_delegate");
  *(void **)&s->delete_delegate = dlsym(library, "tflite_plugin_destroy_delegate");
  if (!create || !s->delete_delegate) return failed(s, "dlsym tflite_plugin_create_delegate", kError);
  reporting = s;
  s->delegate = create(keys, values, n, report_external);
  reporting = NULL;
  return failed(s, "tflite_plugin_create_delegate", s->delegate ? 0 : kError);
}

int classic_create(classic_session *s, int threads) {
  s->api->InterpreterOptionsSetNumThreads(s->options, threads);
  if (s->delegate) s->api->InterpreterOptionsAddDelegate(s->options, s->delegate);
  s->interpreter = s->api->InterpreterCreate(s->model, s->options);
  return failed(s, "TfLiteInterpreterCreate", s->interpreter ? 0 : kError);
}

int classic_resize(classic_session *s, int input, const int *dims, int rank) {
  return failed(s, "TfLiteInterpreterResizeInputTensor",
                s->api->InterpreterResizeInputTensor(s->interpreter, input, dims, rank));
}

int classic_allocate(classic_session *s) {
  return failed(s, "TfLiteInterpreterAllocateTensors", s->api->InterpreterAllocateTensors(s->interpreter));
}

static int add_node(classic_session *s, int index, const tfl_registration *r, const char *owner) {
  classic_node *grown = realloc(s->nodes, (s->node_count + 1) * sizeof *grown);
  if (!grown) return kError;
  s->nodes = grown;
  classic_node *n = &grown[s->node_count++];
  memset(n, 0, sizeof *n);
  n->index = index;
  n->code = r->builtin_code;
  if (r->custom_name) strncpy(n->custom, r->custom_name, sizeof n->custom - 1);
  strncpy(n->owner, owner, sizeof n->owner - 1);
  return 0;
}

static size_t arena_span(const tfl_context *c, int type) {
  const char *lo = NULL, *hi = NULL;
  for (size_t i = 0; i < c->tensors_size; i++) {
    const tfl_tensor *t = &c->tensors[i];
    if (t->allocation_type != type || !t->data) continue;
    if (!lo || t->data < lo) lo = t->data;
    if (!hi || t->data + t->bytes > hi) hi = t->data + t->bytes;
  }
  return hi - lo;
}

static int observe(tfl_context *c, tfl_delegate *d) {
  classic_session *s = d->data;
  s->arena = arena_span(c, kArenaRw);
  s->persistent = arena_span(c, kArenaRwPersistent);
  tfl_ints *plan;
  int status = c->GetExecutionPlan(c, &plan);
  for (int i = 0; i < plan->size && !status; i++) {
    tfl_node *node;
    tfl_registration *reg;
    if ((status = c->GetNodeAndRegistration(c, plan->data[i], &node, &reg))) break;
    if (!node->delegate) {
      status = add_node(s, plan->data[i], reg, "");
      continue;
    }
    const char *owner = reg->custom_name ? reg->custom_name : "delegate";
    const tfl_delegate_params *p = node->builtin_data;
    if (reg->builtin_code != kBuiltinDelegate || !p || !p->nodes_to_replace) {
      status = add_node(s, plan->data[i], reg, owner);
      continue;
    }
    for (int j = 0; j < p->nodes_to_replace->size && !status; j++) {
      tfl_node *inner;
      tfl_registration *r;
      status = c->GetNodeAndRegistration(c, p->nodes_to_replace->data[j], &inner, &r);
      if (!status) status = add_node(s, p->nodes_to_replace->data[j], r, owner);
    }
  }
  return status;
}

int classic_observe(classic_session *s) {
  free(s->nodes);
  s->nodes = NULL;
  s->node_count = 0;
  s->observer = (tfl_delegate){.data = s, .Prepare = observe, .flags = kAllowDynamicTensors};
  int status = s->api->InterpreterModifyGraphWithDelegate(s->interpreter, &s->observer);
  if (status) return failed(s, "TfLiteInterpreterModifyGraphWithDelegate", status);
  return classic_allocate(s);
}

int classic_invoke(classic_session *s) {
  return failed(s, "TfLiteInterpreterInvoke", s->api->InterpreterInvoke(s->interpreter));
}

int classic_inputs(classic_session *s) { return s->api->InterpreterGetInputTensorCount(s->interpreter); }
int classic_outputs(classic_session *s) { return s->api->InterpreterGetOutputTensorCount(s->interpreter); }
tfl_tensor *classic_input(classic_session *s, int i) { return s->api->InterpreterGetInputTensor(s->interpreter, i); }
tfl_tensor *classic_output(classic_session *s, int i) {
  return (tfl_tensor *)s->api->InterpreterGetOutputTensor(s->interpreter, i);
}
int *classic_ints(tfl_ints *a) { return a->data; }

int classic_write(classic_session *s, int input, const void *data, size_t size) {
  return failed(s, "TfLiteTensorCopyFromBuffer", s->api->TensorCopyFromBuffer(classic_input(s, input), data, size));
}

int classic_read(classic_session *s, int output, void *data, size_t size) {
  return failed(s, "TfLiteTensorCopyToBuffer", s->api->TensorCopyToBuffer(classic_output(s, output), data, size));
}

void classic_close(classic_session *s) {
  if (s->interpreter) s->api->InterpreterDelete(s->interpreter);
  if (s->options) s->api->InterpreterOptionsDelete(s->options);
  if (s->delegate) s->delete_delegate(s->delegate);
  if (s->model) s->api->ModelDelete(s->model);
  free(s->nodes);
  free(s->bytes);
  memset(s, 0, sizeof *s);
}

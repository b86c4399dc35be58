//go:build cgo

#define _GNU_SOURCE
#include "litert.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const char *litert_bind(void *library, litert_api *api) {
#define RT_BIND(name, ret, args)                                   \
  *(void **)(&api->name) = dlsym(library, "LiteRt" #name);         \
  if (!api->name) return "LiteRt" #name;
  RT_FUNCTIONS(RT_BIND)
#undef RT_BIND
  return NULL;
}

#define TRY(s, call, what)      \
  do {                          \
    int status_ = (call);       \
    if (status_) {              \
      (s)->failed = "LiteRt" what; \
      return status_;           \
    }                           \
  } while (0)

enum {
  kOutOfMemory = 2,        // LiteRtStatus: memory allocation failure
  kTagRuntimeLibrary = 22, // LiteRtEnvOptionTag: folder of the accelerators' libraries
  kTagMinLogSeverity = 25,
  kAnyInt = 2, // LiteRtAnyType
  kAnyString = 8,
  kLogError = 3, // LiteRtLogSeverity: errors only
  kLockRead = 0,           // LiteRtTensorBufferLockMode
  kLockWrite = 1,
};

int litert_environment(const litert_api *api, const char *runtime_dir, rt_env_t *env) {
  rt_env_option options[] = {
      {kTagMinLogSeverity, {kAnyInt, {.i = kLogError}}},
      {kTagRuntimeLibrary, {kAnyString, {.s = runtime_dir}}},
  };
  return api->CreateEnvironment(runtime_dir ? 2 : 1, options, env);
}

int litert_load(litert_session *s, const litert_api *api, rt_env_t env, const void *model, size_t size) {
  s->api = api;
  s->env = env;
  // Weights are used in place, so the copy is aligned like a host buffer must be.
  if (posix_memalign(&s->bytes, 64, size + 64)) {
    s->failed = "posix_memalign";
    return kOutOfMemory;
  }
  memcpy(s->bytes, model, size);
  TRY(s, api->CreateModelFromBuffer(env, s->bytes, size, &s->model), "CreateModelFromBuffer");
  return 0;
}

static int add_option(litert_session *s, rt_options_t options, litert_option o) {
  char *toml = strdup(o.toml);
  rt_opaque_t opaque = NULL;
  int status = s->api->CreateOpaqueOptions(o.id, toml, free, &opaque);
  if (status) {
    free(toml);
    s->failed = "LiteRtCreateOpaqueOptions";
    return status;
  }
  status = s->api->AddOpaqueOptions(options, opaque);
  if (status) {
    s->api->DestroyOpaqueOptions(opaque);
    s->failed = "LiteRtAddOpaqueOptions";
  }
  return status;
}

static int set_options(litert_session *s, rt_options_t options, int accelerators, const litert_option *o, int n,
                       bool profile) {
  TRY(s, s->api->SetOptionsHardwareAccelerators(options, accelerators), "SetOptionsHardwareAccelerators");
  for (int i = 0; i < n; i++) {
    int status = add_option(s, options, o[i]);
    if (status) return status;
  }
  if (profile) {
    litert_option p = {"runtime_options_string", "enable_profiling = true\n"};
    return add_option(s, options, p);
  }
  return 0;
}

int litert_compile(litert_session *s, int accelerators, const litert_option *o, int n, bool profile) {
  rt_options_t options = NULL;
  TRY(s, s->api->CreateOptions(&options), "CreateOptions");
  int status = set_options(s, options, accelerators, o, n, profile);
  if (!status) {
    status = s->api->CreateCompiledModel(s->env, s->model, options, &s->compiled);
    if (status) s->failed = "LiteRtCreateCompiledModel";
  }
  s->api->DestroyOptions(options);
  if (status) return status;
  if (profile) TRY(s, s->api->CompiledModelGetProfiler(s->compiled, &s->profiler), "CompiledModelGetProfiler");

  rt_signature_t sig;
  size_t ni, no;
  TRY(s, s->api->GetModelSignature(s->model, s->signature, &sig), "GetModelSignature");
  TRY(s, s->api->GetNumSignatureInputs(sig, &ni), "GetNumSignatureInputs");
  TRY(s, s->api->GetNumSignatureOutputs(sig, &no), "GetNumSignatureOutputs");
  s->input = calloc(ni + 1, sizeof *s->input);
  s->output = calloc(no + 1, sizeof *s->output);
  s->in_buffers = calloc(ni + 1, sizeof *s->in_buffers);
  s->out_buffers = calloc(no + 1, sizeof *s->out_buffers);
  if (!s->input || !s->output || !s->in_buffers || !s->out_buffers) {
    s->failed = "calloc";
    return kOutOfMemory;
  }
  s->inputs = ni;
  s->outputs = no;
  for (size_t i = 0; i < ni; i++) {
    const char *name = "";
    rt_tensor_t t;
    TRY(s, s->api->GetSignatureInputName(sig, i, &name), "GetSignatureInputName");
    strncpy(s->input[i].name, name, sizeof s->input[i].name - 1);
    TRY(s, s->api->GetSignatureInputTensorByIndex(sig, i, &t), "GetSignatureInputTensorByIndex");
    TRY(s, s->api->GetRankedTensorType(t, &s->input[i].type), "GetRankedTensorType");
  }
  for (size_t i = 0; i < no; i++) {
    const char *name = "";
    rt_tensor_t t;
    TRY(s, s->api->GetSignatureOutputName(sig, i, &name), "GetSignatureOutputName");
    strncpy(s->output[i].name, name, sizeof s->output[i].name - 1);
    TRY(s, s->api->GetSignatureOutputTensorByIndex(sig, i, &t), "GetSignatureOutputTensorByIndex");
    TRY(s, s->api->GetRankedTensorType(t, &s->output[i].type), "GetRankedTensorType");
  }
  return 0;
}

int litert_resize(litert_session *s, int input, litert_shape shape) {
  TRY(s, s->api->CompiledModelResizeInputTensor(s->compiled, s->signature, input, shape.dims, shape.rank),
      "CompiledModelResizeInputTensor");
  return 0;
}

static int make_buffer(litert_session *s, litert_tensor *t, rt_requirements_t need) {
  TRY(s, s->api->CreateManagedTensorBufferFromRequirements(s->env, &t->type, need, &t->buffer),
      "CreateManagedTensorBufferFromRequirements");
  TRY(s, s->api->GetTensorBufferPackedSize(t->buffer, &t->bytes), "GetTensorBufferPackedSize");
  return 0;
}

int litert_buffers(litert_session *s) {
  int status;
  rt_requirements_t need;
  for (int i = 0; i < s->inputs; i++) {
    // The model's own type keeps -1 for dynamic dimensions; the compiled model knows.
    TRY(s, s->api->GetCompiledModelInputTensorLayout(s->compiled, s->signature, i, &s->input[i].type.layout),
        "GetCompiledModelInputTensorLayout");
    TRY(s, s->api->GetCompiledModelInputBufferRequirements(s->compiled, s->signature, i, &need),
        "GetCompiledModelInputBufferRequirements");
    if ((status = make_buffer(s, &s->input[i], need))) return status;
    s->in_buffers[i] = s->input[i].buffer;
  }
  rt_layout *layouts = calloc(s->outputs + 1, sizeof *layouts);
  status = s->api->GetCompiledModelOutputTensorLayouts(s->compiled, s->signature, s->outputs, layouts, true);
  for (int i = 0; i < s->outputs && !status; i++) s->output[i].type.layout = layouts[i];
  free(layouts);
  TRY(s, status, "GetCompiledModelOutputTensorLayouts");
  for (int i = 0; i < s->outputs; i++) {
    TRY(s, s->api->GetCompiledModelOutputBufferRequirements(s->compiled, s->signature, i, &need),
        "GetCompiledModelOutputBufferRequirements");
    if ((status = make_buffer(s, &s->output[i], need))) return status;
    s->out_buffers[i] = s->output[i].buffer;
  }
  return 0;
}

int litert_write(litert_session *s, int input, const void *data, size_t size) {
  void *at = NULL;
  TRY(s, s->api->LockTensorBuffer(s->input[input].buffer, &at, kLockWrite), "LockTensorBuffer");
  memcpy(at, data, size);
  TRY(s, s->api->UnlockTensorBuffer(s->input[input].buffer), "UnlockTensorBuffer");
  return 0;
}

int litert_read(litert_session *s, int output, void *data, size_t size) {
  void *at = NULL;
  TRY(s, s->api->LockTensorBuffer(s->output[output].buffer, &at, kLockRead), "LockTensorBuffer");
  memcpy(data, at, size);
  TRY(s, s->api->UnlockTensorBuffer(s->output[output].buffer), "UnlockTensorBuffer");
  return 0;
}

int litert_run(litert_session *s) {
  TRY(s, s->api->RunCompiledModel(s->compiled, s->signature, s->inputs, s->in_buffers, s->outputs, s->out_buffers),
      "RunCompiledModel");
  if (s->lock_outputs) {
    for (int i = 0; i < s->outputs; i++) {
      void *at = NULL;
      TRY(s, s->api->LockTensorBuffer(s->out_buffers[i], &at, kLockRead), "LockTensorBuffer");
      TRY(s, s->api->UnlockTensorBuffer(s->out_buffers[i]), "UnlockTensorBuffer");
    }
  }
  return 0;
}

int litert_accelerated(litert_session *s, bool *all, bool *off_cpu) {
  TRY(s, s->api->CompiledModelIsFullyAccelerated(s->compiled, all), "CompiledModelIsFullyAccelerated");
  TRY(s, s->api->CompiledModelIsNonCpuFullyAccelerated(s->compiled, off_cpu), "CompiledModelIsNonCpuFullyAccelerated");
  return 0;
}

int litert_profile_start(litert_session *s) {
  TRY(s, s->api->ResetProfiler(s->profiler), "ResetProfiler");
  TRY(s, s->api->StartProfiler(s->profiler), "StartProfiler");
  return 0;
}

int litert_profile_stop(litert_session *s, rt_event **events, int *n) {
  *events = NULL;
  *n = 0;
  TRY(s, s->api->StopProfiler(s->profiler), "StopProfiler");
  TRY(s, s->api->GetNumProfilerEvents(s->profiler, n), "GetNumProfilerEvents");
  if (*n <= 0) return 0;
  *events = calloc(*n, sizeof **events);
  TRY(s, s->api->GetProfilerEvents(s->profiler, *n, *events), "GetProfilerEvents");
  return 0;
}

int litert_rank(const rt_layout *layout) { return layout->rank; }

int litert_messages(litert_session *s, char **text) {
  *text = NULL;
  return s->api->CompiledModelGetErrorMessages(s->compiled, text);
}

void litert_close(litert_session *s) {
  for (int i = 0; i < s->inputs; i++)
    if (s->input[i].buffer) s->api->DestroyTensorBuffer(s->input[i].buffer);
  for (int i = 0; i < s->outputs; i++)
    if (s->output[i].buffer) s->api->DestroyTensorBuffer(s->output[i].buffer);
  free(s->input);
  free(s->output);
  free(s->in_buffers);
  free(s->out_buffers);
  if (s->compiled) s->api->DestroyCompiledModel(s->compiled);
  if (s->model) s->api->DestroyModel(s->model);
  free(s->bytes);
  memset(s, 0, sizeof *s);
}

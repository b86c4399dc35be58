// An external delegate for the tests: XNNPACK out of the classic library, behind
// the entry points every external delegate has. Its options are
//   xnnpack  the classic library's path
//   threads  a file into which the threads that create and destroy it are written
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char threads[4096];

static void note(const char *what) {
  FILE *f = threads[0] ? fopen(threads, "a") : NULL;
  if (f) {
    fprintf(f, "%s %ld\n", what, (long)syscall(SYS_gettid));
    fclose(f);
  }
}

static void *symbol(const char *library, const char *name) {
  void *h = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  return h ? dlsym(h, name) : NULL;
}

static void (*destroy)(void *);

// The structure the delegate hands out is TfLiteDelegate: data, Prepare, …
struct delegate {
  void *data;
  int (*prepare)(void *, struct delegate *);
};
static int (*inner)(void *, struct delegate *);
static int prepare(void *context, struct delegate *d) {
  note("prepare");
  return inner(context, d);
}

void *tflite_plugin_create_delegate(char **keys, char **values, size_t n, void (*report)(const char *)) {
  const char *library = NULL;
  for (size_t i = 0; i < n; i++) {
    if (!strcmp(keys[i], "xnnpack")) {
      library = values[i];
    } else if (!strcmp(keys[i], "threads")) {
      strncpy(threads, values[i], sizeof threads - 1);
    } else {
      char text[200];
      snprintf(text, sizeof text, "unknown option %s", keys[i]);
      report(text);
      return NULL;
    }
  }
  if (!library) {
    report("option xnnpack is missing");
    return NULL;
  }
  void *(*create)(const void *) = symbol(library, "TfLiteXNNPackDelegateCreate");
  destroy = symbol(library, "TfLiteXNNPackDelegateDelete");
  if (!create || !destroy) {
    report("no XNNPACK in the library");
    return NULL;
  }
  struct { int32_t threads; uint32_t flags; char later[248]; } options;
  memset(&options, 0, sizeof options);
  options.threads = 1;
  struct delegate *d = create(&options);
  inner = d->prepare;
  d->prepare = prepare;
  note("create");
  return d;
}

void tflite_plugin_destroy_delegate(void *d) {
  note("destroy");
  destroy(d);
}

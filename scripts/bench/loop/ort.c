// ort LIBRARY: the plainest loop over ONNX Runtime that a user would write, for make bench to
// hold the harness against. It answers lines of standard input:
//
//   open MODEL   opens a model on one thread and makes up its inputs; says {"model":i}
//   run I N W    runs model i W times untimed and N times timed one by one; says the median,
//                the mean and the least in microseconds, and how long all of it took
//   close        closes all models
//
// Built by scripts/bench/points/harness.py, with the header of the Go binding in the module cache.
#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MODELS = 64, VALUES = 8 };

static const OrtApi *api;

static void check(OrtStatus *s) {
	if (!s) return;
	printf("{\"error\":\"ONNX Runtime: code %d\"}\n", api->GetErrorCode(s));
	fprintf(stderr, "ort: %s\n", api->GetErrorMessage(s));
	exit(1);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static struct model {
	OrtSession *session;
	size_t inputs, outputs;
	char *names[2 * VALUES]; // of inputs, then of outputs
	OrtValue *values[2 * VALUES];
} models[MODELS];

// made_up is a tensor for an input, of numbers between 0 and 1; open dimensions are 1.
static OrtValue *made_up(OrtSession *session, size_t i) {
	OrtTypeInfo *info;
	const OrtTensorTypeAndShapeInfo *tensor;
	check(api->SessionGetInputTypeInfo(session, i, &info));
	check(api->CastTypeInfoToTensorInfo(info, &tensor));
	size_t rank, size = 1;
	int64_t dims[16];
	check(api->GetDimensionsCount(tensor, &rank));
	check(api->GetDimensions(tensor, dims, rank));
	for (size_t d = 0; d < rank; d++) size *= dims[d] = dims[d] < 1 ? 1 : dims[d];
	api->ReleaseTypeInfo(info);
	float *data = malloc(size * sizeof *data);
	for (size_t k = 0; k < size; k++) data[k] = (float)rand() / (float)RAND_MAX;
	OrtMemoryInfo *memory;
	OrtValue *value;
	check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
	check(api->CreateTensorWithDataAsOrtValue(memory, data, size * sizeof *data, dims, rank, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value));
	api->ReleaseMemoryInfo(memory);
	return value; // the program ends before its data is of no use
}

static void open_model(OrtEnv *env, struct model *m, const char *path) {
	OrtSessionOptions *options;
	OrtAllocator *allocator;
	check(api->CreateSessionOptions(&options));
	check(api->SetIntraOpNumThreads(options, 1));
	check(api->SetInterOpNumThreads(options, 1));
	check(api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL));
	check(api->CreateSession(env, path, options, &m->session));
	api->ReleaseSessionOptions(options);
	check(api->GetAllocatorWithDefaultOptions(&allocator));
	check(api->SessionGetInputCount(m->session, &m->inputs));
	check(api->SessionGetOutputCount(m->session, &m->outputs));
	if (m->inputs > VALUES || m->outputs > VALUES) exit(2);
	for (size_t i = 0; i < m->inputs; i++) {
		check(api->SessionGetInputName(m->session, i, allocator, &m->names[i]));
		m->values[i] = made_up(m->session, i);
	}
	for (size_t i = 0; i < m->outputs; i++) {
		check(api->SessionGetOutputName(m->session, i, allocator, &m->names[VALUES + i]));
		m->values[VALUES + i] = NULL; // the first run allocates it, the others fill it again
	}
}

static void run(struct model *m) {
	check(api->Run(m->session, NULL, (const char *const *)m->names, (const OrtValue *const *)m->values, m->inputs,
		(const char *const *)(m->names + VALUES), m->outputs, m->values + VALUES));
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void timed(struct model *m, int n, int warm) {
	double began = now(), *took = malloc(n * sizeof *took), sum = 0;
	for (int i = 0; i < warm; i++) run(m);
	for (int i = 0; i < n; i++) {
		double t = now();
		run(m);
		took[i] = now() - t;
		sum += took[i];
	}
	double whole = now() - began;
	qsort(took, n, sizeof *took, ascending);
	printf("{\"median_us\":%.3f,\"mean_us\":%.3f,\"least_us\":%.3f,\"took_us\":%.1f}\n", took[n / 2], sum / n, took[0], whole);
	free(took);
}

int main(int argc, char **argv) {
	void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!library) return fprintf(stderr, "ort: %s\n", argc == 2 ? dlerror() : "usage: ort LIBRARY"), 2;
	const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
	api = base()->GetApi(ORT_API_VERSION);
	if (!api) return fprintf(stderr, "ort: the library is older than the header\n"), 2;
	OrtEnv *env;
	check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "loop", &env));
	char line[4096], path[4000];
	int opened = 0, i, n, warm;
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "open %3999s", path) == 1 && opened < MODELS) {
			open_model(env, &models[opened], path);
			printf("{\"model\":%d}\n", opened++);
		} else if (sscanf(line, "run %d %d %d", &i, &n, &warm) == 3 && i >= 0 && i < opened && n > 0) {
			timed(&models[i], n, warm);
		} else if (strncmp(line, "close", 5) == 0) {
			while (opened > 0) {
				struct model *m = &models[--opened];
				for (size_t o = 0; o < m->outputs; o++) api->ReleaseValue(m->values[VALUES + o]);
				api->ReleaseSession(m->session);
			}
			printf("{}\n");
		} else {
			printf("{\"error\":\"no such request\"}\n");
		}
		fflush(stdout);
	}
	return 0;
}

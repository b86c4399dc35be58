// litert LIBRARY: as ort.c, over LiteRT with one thread of XNNPACK. The declarations of its C API
// are the agent's (agent/tflite/litert.h); the loop is its own.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "litert.h"

enum { MODELS = 64, CPU = 1 };

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static litert_session models[MODELS];

static void check(litert_session *s, int status) {
	if (!status) return;
	printf("{\"error\":\"%s: status %d\"}\n", s->failed ? s->failed : "LiteRT", status);
	exit(1);
}

static void open_model(const litert_api *api, rt_env_t env, litert_session *s, const char *path) {
	FILE *f = fopen(path, "rb");
	if (!f) return perror(path), exit(1);
	fseek(f, 0, SEEK_END);
	size_t size = ftell(f);
	char *bytes = malloc(size);
	rewind(f);
	if (fread(bytes, 1, size, f) != size) return perror(path), exit(1);
	fclose(f);
	litert_option threads = {"xnnpack", "num_threads = 1\n"};
	check(s, litert_load(s, api, env, bytes, size));
	check(s, litert_compile(s, CPU, &threads, 1, false));
	check(s, litert_buffers(s));
	free(bytes);
	for (int i = 0; i < s->inputs; i++) { // numbers between 0 and 1
		size_t n = s->input[i].bytes / sizeof(float);
		float *data = malloc(n * sizeof *data);
		for (size_t k = 0; k < n; k++) data[k] = (float)rand() / (float)RAND_MAX;
		check(s, litert_write(s, i, data, n * sizeof *data));
		free(data);
	}
}

static void run(litert_session *s) {
	if (s->api->RunCompiledModel(s->compiled, s->signature, s->inputs, s->in_buffers, s->outputs, s->out_buffers)) exit(1);
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv) {
	void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!library) return fprintf(stderr, "litert: %s\n", argc == 2 ? dlerror() : "usage: litert LIBRARY"), 2;
	static litert_api api;
	const char *missing = litert_bind(library, &api);
	rt_env_t env;
	if (missing || litert_environment(&api, NULL, &env)) return fprintf(stderr, "litert: %s\n", missing ? missing : "no environment"), 2;
	char line[4096], path[4000];
	int opened = 0, i, n, warm;
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "open %3999s", path) == 1 && opened < MODELS) {
			open_model(&api, env, &models[opened], path);
			printf("{\"model\":%d}\n", opened++);
		} else if (sscanf(line, "run %d %d %d", &i, &n, &warm) == 3 && i >= 0 && i < opened && n > 0) {
			double *took = malloc(n * sizeof *took), sum = 0;
			for (int k = 0; k < warm; k++) run(&models[i]);
			for (int k = 0; k < n; k++) {
				double t = now();
				run(&models[i]);
				sum += took[k] = now() - t;
			}
			qsort(took, n, sizeof *took, ascending);
			printf("{\"median_us\":%.3f,\"mean_us\":%.3f,\"least_us\":%.3f}\n", took[n / 2], sum / n, took[0]);
			free(took);
		} else {
			printf("{\"error\":\"no such request\"}\n");
		}
		fflush(stdout);
	}
	return 0;
}

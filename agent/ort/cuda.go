//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"path/filepath"
	"unsafe"
)

// cudaLibraries lists the libraries that the CUDA and TensorRT providers are linked against, in
// the order of their own dependencies.
var cudaLibraries = []string{
	"libcudart.so.*", "libnvrtc-builtins.so.*", "libnvrtc.so.*", "libcublasLt.so.*", "libcublas.so.*", "libcufft.so.*", "libcurand.so.*",
	"libcudnn.so.*", "libcudnn_*.so.*", "libnvinfer.so.*", "libnvinfer_plugin.so.*", "libnvonnxparser.so.*",
}

// preloadCUDA loads the CUDA libraries that lie beside ONNX Runtime (as
// scripts/setup-cuda.sh puts them): the providers name them without a path, and
// the loader looks for them only where the system's are. One that does not load
// is passed over, since the provider's own complaint tells what it misses.
func (l *library) preloadCUDA() {
	for _, pattern := range cudaLibraries {
		paths, _ := filepath.Glob(filepath.Join(filepath.Dir(l.Path), pattern))
		for _, p := range paths {
			c := C.CString(p)
			C.iso_preload(c)
			C.free(unsafe.Pointer(c))
		}
	}
}

// loaderWords asks the loader why a provider's library does not load: ONNX Runtime
// says only that it does not. "" when it does.
func (l *library) loaderWords(provider string) string {
	for _, name := range []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_" + provider + ".so"} {
		c := C.CString(filepath.Join(filepath.Dir(l.Path), name))
		why := C.iso_preload(c)
		C.free(unsafe.Pointer(c))
		if why != nil {
			defer C.free(unsafe.Pointer(why))
			return C.GoString(why)
		}
	}
	return ""
}

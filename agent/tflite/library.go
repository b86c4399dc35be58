//go:build cgo

package tflite

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "litert.h"
#include "classic.h"

// iso_open loads a library; on failure NULL and, in *why, the loader's words for the
// caller to free. The loader keeps them per thread, and a goroutine may be on another
// by its next call.
static void *iso_open(const char *path, char **why) {
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) {
		const char *words = dlerror();
		*why = strdup(words != NULL ? words : "the loader does not say why");
	}
	return lib;
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// library is a loaded library of either kind. It stays loaded for the life of the
// process: neither runtime supports being unloaded.
type library struct {
	kind    string // LiteRT or Classic
	path    string
	sha256  string
	version string
	handle  unsafe.Pointer

	litert  *C.litert_api
	classic *C.classic_api
	// envs are LiteRT's environments by runtime library folder ("" for CPU).
	envs map[string]C.rt_env_t
	gpu  unsafe.Pointer // the classic GPU delegate's library
	// probed are the thread counts the library's own kernels were seen to use.
	probed map[int]bool
}

// errOldSystem is of a library that needs a newer C or C++ library than there is.
var errOldSystem = errors.New("this system is too old")

// dlopen opens a library, or explains why not.
func dlopen(path string) (unsafe.Pointer, error) {
	if err := nativelib.CheckELF(path, runtime.GOOS, runtime.GOARCH); err != nil {
		return nil, err
	}
	c := C.CString(path)
	defer C.free(unsafe.Pointer(c))
	var why *C.char
	h := C.iso_open(c, &why)
	if h != nil {
		return h, nil
	}
	defer C.free(unsafe.Pointer(why))
	err := fmt.Errorf("load %s: %s", path, C.GoString(why))
	switch text := err.Error(); {
	case strings.Contains(text, "GLIBC"): // GLIBC_2.34, GLIBCXX_3.4.29
		return nil, hint.Wrap(fmt.Errorf("%w: %w", errOldSystem, err), "this system's C or C++ library is older than the runtime needs; use the classic library (scripts/setup-native.sh tflite)")
	case strings.Contains(text, "cannot open shared object file"):
		return nil, hint.Wrap(err, "install the library named in the message, or add its folder to LD_LIBRARY_PATH")
	}
	return nil, hint.Wrap(err, "run scripts/setup-native.sh, or name another library with --tflite-lib")
}

// load opens the configured library, or the one that stands in for it.
func (b *Backend) load() (*library, error) {
	if b.lib != nil {
		return b.lib, nil
	}
	found, err := b.cfg.find()
	if err != nil {
		return nil, err
	}
	l, err := b.loadFile(found)
	if errors.Is(err, errOldSystem) && b.cfg.Library == "" && b.cfg.Prefer == "" {
		// JetPack 5: the bundle has the classic library too, which is content with it.
		if classic, err2 := b.cfg.Search.Find(Classic, ""); err2 == nil {
			l, err = b.loadFile(classic)
		}
	}
	return l, err
}

// loadFile opens a library once.
func (b *Backend) loadFile(found nativelib.Library) (*library, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if l := loaded.byPath[found.Path]; l != nil {
		b.lib = l
		return l, nil
	}
	l := &library{path: found.Path, envs: map[string]C.rt_env_t{}, probed: map[int]bool{}}
	var err error
	if l.handle, err = dlopen(l.path); err != nil {
		return nil, err
	}
	if l.sha256, err = filehash.SHA256(context.Background(), l.path); err != nil {
		return nil, err
	}
	if err := l.bind(); err != nil {
		return nil, err
	}
	loaded.byPath[l.path] = l
	b.lib = l
	return l, nil
}

// loaded are the libraries of this process: loading one twice would give it two
// environments.
var loaded = struct {
	sync.Mutex
	byPath map[string]*library
}{byPath: map[string]*library{}}

// bind tells the two kinds apart by their symbols and looks all of them up.
func (l *library) bind() error {
	missing := func(what, symbol string) error {
		return hint.Wrap(fmt.Errorf("%s is %s but has no %s", l.path, what, symbol),
			"the library is too old or too new; scripts/setup-native.sh %s installs one that was tried", l.kind)
	}
	has := func(symbol string) bool {
		c := C.CString(symbol)
		defer C.free(unsafe.Pointer(c))
		return C.dlsym(l.handle, c) != nil
	}
	switch {
	case has("LiteRtCreateCompiledModel"):
		l.kind = LiteRT
		l.litert = (*C.litert_api)(C.calloc(1, C.sizeof_litert_api))
		if s := C.litert_bind(l.handle, l.litert); s != nil {
			return missing("LiteRT", C.GoString(s))
		}
		l.version = "unknown"
	case has("TfLiteInterpreterCreate"):
		l.kind = Classic
		l.classic = (*C.classic_api)(C.calloc(1, C.sizeof_classic_api))
		if s := C.classic_bind(l.handle, l.classic); s != nil {
			return missing("TensorFlow Lite", C.GoString(s))
		}
		l.version = C.GoString(C.tfl_version(l.classic))
	default:
		return hint.Wrap(fmt.Errorf("%s is neither LiteRT nor TensorFlow Lite: it has no LiteRtCreateCompiledModel and no TfLiteInterpreterCreate", l.path),
			"name libLiteRt.so or libtensorflowlite_c.so with --tflite-lib")
	}
	// LiteRT has no function that tells its version: the file's hash does.
	if rt, ok := nativelib.Known().Runtime(l.kind); ok && l.kind == LiteRT {
		if v := rt.Pinned(l.path, l.sha256); v != "" {
			l.version = v
		}
	}
	return nil
}

// Info says which library answers.
func (b *Backend) Info() (agent.Info, error) {
	l, err := b.load()
	if err != nil {
		return agent.Info{}, err
	}
	return agent.Info{Backend: Name, Version: l.version, Path: l.path, SHA256: l.sha256, Providers: b.providers(), Format: l.format()}, nil
}

// format of the models: the classic library may be too old for the newest
// operator versions, which tflitewriter then avoids.
func (l *library) format() agent.Format {
	if l.kind == Classic {
		return "tflite-classic"
	}
	return "tflite"
}

// providers are those the files at hand can serve; whether a GPU answers, only a
// session tells.
func (b *Backend) providers() []string {
	l := b.lib
	if l.kind == LiteRT {
		p := []string{CPU, XNNPACK, Builtin}
		if l.accelerators() != "" {
			p = append(p, GPU)
		}
		return p
	}
	p := []string{CPU}
	if l.classic.XNNPackDelegateCreate != nil {
		p = append(p, XNNPACK)
	}
	p = append(p, Builtin)
	if _, err := b.gpuLibrary(); err == nil {
		p = append(p, GPU)
	}
	return append(p, Delegate)
}

// accelerators is the folder of LiteRT's accelerator libraries: that of LiteRT
// itself, "" when there are none.
func (l *library) accelerators() string {
	dir := filepath.Dir(l.path)
	if found, _ := filepath.Glob(filepath.Join(dir, "libLiteRt*Accelerator.so")); len(found) == 0 {
		return ""
	}
	return dir
}

// gpuLibrary is the file of the classic GPU delegate.
func (b *Backend) gpuLibrary() (string, error) {
	lib, err := b.cfg.Search.Find("tflite-gpu", b.cfg.GPULibrary)
	return lib.Path, err
}

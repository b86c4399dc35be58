//go:build cgo

package ort

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	ortgo "github.com/yalue/onnxruntime_go"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// apiVersion is the OrtApi version the binding (v1.27.0) asks for; the minor
// number of the oldest library that has it is the same.
const apiVersion = 24

// library is the ONNX Runtime this process has loaded: the binding keeps one
// environment a process, and so do we.
type library struct {
	nativelib.Library
	version string
	sha256  string
	api     C.iso_api
	env     unsafe.Pointer // nil until start
	// pool is the number of threads of the pool that sessions share; 0 for none.
	pool int
	// plugins: name given → its registration.
	plugins map[string]*plugin
	shared  pool
}

// plugin is a registered execution provider library.
type plugin struct {
	path    string
	devices []unsafe.Pointer // OrtEpDevice, owned by the environment
}

var (
	loadMu sync.Mutex
	loaded *library
)

// load finds, checks and loads the library, once per process, and registers the
// plugin providers of the configuration.
func (b *Backend) load() (*library, error) {
	loadMu.Lock()
	defer loadMu.Unlock()
	found, err := b.cfg.Search.Find("onnxruntime", b.cfg.Library)
	if err != nil {
		return nil, err
	}
	if loaded != nil && loaded.Path != found.Path {
		return nil, fmt.Errorf("load %s: this process already runs %s, and one process loads one ONNX Runtime", found.Path, loaded.Path)
	}
	if loaded == nil {
		lib, err := loadLibrary(found)
		if err != nil {
			return nil, err
		}
		loaded = lib
	}
	if len(b.cfg.EPLibraries) == 0 {
		return loaded, nil
	}
	if err := loaded.start(0); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(b.cfg.EPLibraries)) {
		if err := loaded.register(name, b.cfg.EPLibraries[name]); err != nil {
			return nil, err
		}
	}
	return loaded, nil
}

func loadLibrary(found nativelib.Library) (*library, error) {
	if err := nativelib.CheckELF(found.Path, runtime.GOOS, runtime.GOARCH); err != nil {
		return nil, err
	}
	cpath := C.CString(found.Path)
	defer C.free(unsafe.Pointer(cpath))
	var why *C.char
	base := C.iso_base(cpath, &why)
	if base == nil {
		defer C.free(unsafe.Pointer(why))
		text := C.GoString(why)
		if strings.Contains(text, "OrtGetApiBase") {
			return nil, hint.Wrap(fmt.Errorf("load %s: this library is not an ONNX Runtime (%s)", found.Path, text),
				"run scripts/setup-native.sh onnxruntime, or name another library in ISOCOST_ONNXRUNTIME")
		}
		return nil, hint.Wrap(fmt.Errorf("load %s: %s", found.Path, text), "%s", loaderHint(text))
	}
	lib := &library{Library: found, version: C.GoString(C.iso_version(base)), plugins: map[string]*plugin{}}
	if minor, ok := minorVersion(lib.version); !ok || minor < apiVersion {
		return nil, hint.Wrap(fmt.Errorf("load %s: ONNX Runtime %q is older than 1.%d", found.Path, lib.version, apiVersion),
			"run scripts/setup-native.sh onnxruntime, or name a newer library in ISOCOST_ONNXRUNTIME")
	}
	if lib.api = C.iso_get_api(base, apiVersion); lib.api == nil {
		return nil, hint.Wrap(fmt.Errorf("load %s: ONNX Runtime %s has no API version %d", found.Path, lib.version, apiVersion),
			"run scripts/setup-native.sh onnxruntime, or name another library in ISOCOST_ONNXRUNTIME")
	}
	var err error
	if lib.sha256, err = filehash.SHA256(context.Background(), found.Path); err != nil {
		return nil, err
	}
	return lib, nil
}

// start makes the environment of the process, once; the first to ask says for how
// many threads. Sessions of that many share one pool: with a pool each, a worker
// that slept while other sessions ran takes up to a second to wake (190 sessions of
// 2 threads, in turn: rounds 21 times as long; docs/decisions/0304-*.md).
func (l *library) start(threads int) error {
	startMu.Lock()
	defer startMu.Unlock()
	if l.env != nil {
		return nil
	}
	if err := l.check(C.iso_env(l.api, C.int(threads), &l.env)); err != nil {
		return fmt.Errorf("start %s: %w", l.Path, err)
	}
	if threads > 1 {
		l.pool = threads
	}
	ortgo.SetSharedLibraryPath(l.Path)
	// The runtime's own log is not for the terminal: what matters comes back as
	// errors, the rest is an unreadable PCI bus.
	if err := ortgo.InitializeEnvironment(ortgo.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("start %s: %w", l.Path, err)
	}
	return nil
}

var startMu sync.Mutex

// loaderHint returns what to do about an error of dlopen.
func loaderHint(text string) string {
	switch {
	case strings.Contains(text, "GLIBC"), strings.Contains(text, "GLIBCXX"):
		return "the library is built for a newer system; take an older release of it or a newer system"
	case strings.Contains(text, "cannot open shared object file"):
		return "install the library named in the message, or add its folder to LD_LIBRARY_PATH"
	}
	return "run scripts/setup-native.sh onnxruntime, or name another library in ISOCOST_ONNXRUNTIME"
}

// minorVersion reads the y of 1.y.z.
func minorVersion(v string) (int, bool) {
	parts := strings.SplitN(v, ".", 3)
	if len(parts) < 2 || parts[0] != "1" {
		return 0, false
	}
	n, err := strconv.Atoi(parts[1])
	return n, err == nil
}

// check turns a status into an error and releases it.
func (l *library) check(s unsafe.Pointer) error {
	if s == nil {
		return nil
	}
	err := errors.New(strings.TrimSpace(C.GoString(C.iso_message(l.api, s))))
	C.iso_release_status(l.api, s)
	return err
}

// available lists the providers the library was built with, by the user's names.
func (l *library) available() ([]string, error) {
	var names **C.char
	var n C.int
	if err := l.check(C.iso_available(l.api, &names, &n)); err != nil {
		return nil, fmt.Errorf("list providers of %s: %w", l.Path, err)
	}
	defer C.iso_release_available(l.api, names, n)
	var out []string
	for _, name := range unsafe.Slice(names, int(n)) {
		out = append(out, shortProvider(C.GoString(name)))
	}
	return out, nil
}

// devices lists every device the environment knows, of built-in and plugin providers.
func (l *library) devices() ([]unsafe.Pointer, error) {
	var list *unsafe.Pointer
	var n C.size_t
	if err := l.check(C.iso_ep_devices(l.api, l.env, &list, &n)); err != nil {
		return nil, fmt.Errorf("list devices of %s: %w", l.Path, err)
	}
	return slices.Clone(unsafe.Slice(list, int(n))), nil
}

// device is the device a provider's sessions run on, nil where the environment
// lists none for it.
func (l *library) device(provider string) (unsafe.Pointer, error) {
	if p, ok := l.plugins[provider]; ok {
		if len(p.devices) == 0 {
			return nil, nil
		}
		return p.devices[0], nil
	}
	all, err := l.devices()
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if C.GoString(C.iso_ep_name(l.api, d)) == providers[provider] {
			return d, nil
		}
	}
	return nil, nil
}

// register loads a plugin execution provider under a name.
func (l *library) register(name, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if p, ok := l.plugins[name]; ok {
		if p.path != abs {
			return fmt.Errorf("register execution provider %s=%s: the name already stands for %s", name, path, p.path)
		}
		return nil
	}
	fail := func(err error, how string) error {
		return hint.Wrap(fmt.Errorf("register execution provider %s=%s: %w", name, path, err), "%s", how)
	}
	if _, err := os.Stat(abs); err != nil {
		return fail(err, "give the path of an existing plugin library")
	}
	if err := nativelib.CheckELF(abs, runtime.GOOS, runtime.GOARCH); err != nil {
		return fail(err, hint.Of(err))
	}
	before, err := l.devices()
	if err != nil {
		return err
	}
	if err := ortgo.RegisterExecutionProviderLibrary(name, abs); err != nil {
		how := "the library must be a plugin execution provider for ONNX Runtime " + l.version
		if text := err.Error(); strings.Contains(text, "cannot open shared object file") {
			how = loaderHint(text)
		}
		return fail(err, how)
	}
	after, err := l.devices()
	if err != nil {
		return err
	}
	p := &plugin{path: abs}
	for _, d := range after {
		if !slices.Contains(before, d) {
			p.devices = append(p.devices, d)
		}
	}
	l.plugins[name] = p
	return nil
}

// handle returns the C pointer the binding keeps in an unexported field: the
// binding has no way to hand it out. Every test of this package goes through it, so
// an update of the pinned binding that renames the field cannot pass.
func handle(object any, fields ...string) unsafe.Pointer {
	v := reflect.ValueOf(object)
	for _, f := range fields {
		v = reflect.Indirect(v).FieldByName(f)
	}
	return v.UnsafePointer()
}

// shimFunctions yields the names and indices the shim calls by.
func shimFunctions() map[string]int {
	out := map[string]int{}
	for i := 0; ; i++ {
		var index C.int
		name := C.iso_function(C.int(i), &index)
		if name == nil {
			return out
		}
		out[C.GoString(name)] = int(index)
	}
}

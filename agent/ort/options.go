//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	ortgo "github.com/yalue/onnxruntime_go"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
)

// sessionOptions builds the options of one session. Keys of
// opt.ProviderOptions with a dot (session.intra_op.allow_spinning) are ONNX
// Runtime's session configuration; the others belong to the provider.
func (l *library) sessionOptions(model agent.Model, opt agent.Options, second secondPass) (_ *ortgo.SessionOptions, err error) {
	so, err := ortgo.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			so.Destroy()
		}
	}()
	// One operator at a time: a network's latency is then the sum of its parts,
	// which is what a cost table predicts.
	err = errors.Join(
		so.SetExecutionMode(ortgo.ExecutionModeSequential),
		so.SetGraphOptimizationLevel(ortgo.GraphOptimizationLevelEnableAll),
		so.SetLogSeverityLevel(ortgo.LoggingLevelFatal),
		so.SetInterOpNumThreads(1),
		so.SetIntraOpNumThreads(opt.Threads),
	)
	if err != nil {
		return nil, err
	}
	raw := handle(so, "o")
	if opt.Threads == l.pool && !ownThreads(opt.ProviderOptions) {
		if err := l.check(C.iso_share_threads(l.api, raw)); err != nil {
			return nil, fmt.Errorf("share the threads of the process: %w", err)
		}
	}
	for name, value := range model.Dims {
		c := C.CString(name)
		err := l.check(C.iso_dim_override(l.api, raw, c, C.int64_t(value)))
		C.free(unsafe.Pointer(c))
		if err != nil {
			return nil, fmt.Errorf("set dimension %s=%d: %w", name, value, err)
		}
	}
	config := map[string]string{}
	own := map[string]string{}
	for k, v := range opt.ProviderOptions {
		if strings.Contains(k, ".") {
			config[k] = v
		} else {
			own[k] = v
		}
	}
	if opt.Provider != "cpu" {
		config["session.disable_cpu_ep_fallback"] = "1"
	}
	maps.Copy(config, second.config)
	if second.counted {
		config["session.use_env_allocators"] = "1"
		// With a pattern the second run asks for one block that holds all tensors.
		if err := so.SetMemPattern(false); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(config)) {
		if err := so.AddSessionConfigEntry(k, config[k]); err != nil {
			return nil, fmt.Errorf("set session option %s=%s: %w", k, config[k], err)
		}
	}
	if second.profile != "" {
		if err := so.EnableProfiling(second.profile); err != nil {
			return nil, fmt.Errorf("enable profiling: %w", err)
		}
	}
	if second.optimised != "" {
		if err := so.SetOptimizedModelFilePath(second.optimised); err != nil {
			return nil, fmt.Errorf("ask for the optimised model: %w", err)
		}
	}
	if err := l.appendProvider(so, opt.Provider, own, opt.Threads); err != nil {
		return nil, err
	}
	return so, nil
}

// ownThreads says whether options are about a session's own threads, which the
// shared ones do not heed.
func ownThreads(options map[string]string) bool {
	for k := range options {
		for _, about := range []string{"session.intra_op", "session.inter_op", "session.force_spinning_stop", "session.set_denormal_as_zero", "session.dynamic_block_base"} {
			if strings.HasPrefix(k, about) {
				return true
			}
		}
	}
	return false
}

var _ agent.ProviderChecker = (*Backend)(nil)

// CheckProvider opens the least model. That a provider cannot run it proves nothing
// about others; that it is not made at all does.
func (b *Backend) CheckProvider(opt agent.Options) error {
	l, err := b.load()
	if err != nil {
		return err
	}
	opt.Inputs = nil // other models'
	s, err := l.open(context.Background(), agent.Model{Bytes: tinyModel()}, opt, secondPass{})
	if err == nil {
		return s.Close()
	}
	switch text := err.Error(); {
	case !errors.Is(err, agent.ErrUnsupported) && !errors.Is(err, agent.ErrFallback):
		return err // of the library, the provider or its options
	case strings.Contains(text, "CreateProvider"), strings.Contains(text, "EP_FAIL"):
		return hint.Wrap(fmt.Errorf("provider %s: %w", opt.Provider, err), "%s", providerHint(opt.Provider, text))
	}
	return nil
}

// appendProvider asks for a provider by the user's name.
func (l *library) appendProvider(so *ortgo.SessionOptions, name string, options map[string]string, threads int) error {
	wrap := func(err error) error {
		if err == nil {
			return nil
		}
		if strings.Contains(err.Error(), "Failed to load shared library") {
			if words := l.loaderWords(name); words != "" {
				err = fmt.Errorf("%w (%s)", err, words)
			}
		}
		return hint.Wrap(fmt.Errorf("provider %s: %w", name, err), "%s", providerHint(name, err.Error()))
	}
	if p, ok := l.plugins[name]; ok {
		return wrap(l.appendPlugin(so, p, options))
	}
	available, err := l.available()
	if err != nil {
		return err
	}
	if !slices.Contains(available, name) {
		have := available
		for plugin := range l.plugins {
			have = append(have, plugin)
		}
		return hint.Wrap(fmt.Errorf("provider %s: %s (ONNX Runtime %s) has only %s", name, l.Path, l.version, strings.Join(have, ", ")),
			"name a library that has it with --ort-lib, or a plugin with --ep-library %s=PATH", name)
	}
	if name == "cuda" || name == "tensorrt" {
		l.preloadCUDA()
	}
	switch name {
	case "cpu":
		if len(options) > 0 {
			return hint.Wrap(fmt.Errorf("provider cpu has no option %q", slices.Sorted(maps.Keys(options))[0]),
				"session options have a dot in their name, e.g. session.intra_op.allow_spinning=0")
		}
		return nil
	case "cuda":
		o, err := ortgo.NewCUDAProviderOptions()
		if err != nil {
			return wrap(err)
		}
		defer o.Destroy()
		if err := o.Update(options); err != nil {
			return wrap(err)
		}
		return wrap(so.AppendExecutionProviderCUDA(o))
	case "tensorrt":
		o, err := ortgo.NewTensorRTProviderOptions()
		if err != nil {
			return wrap(err)
		}
		defer o.Destroy()
		if err := o.Update(options); err != nil {
			return wrap(err)
		}
		return wrap(so.AppendExecutionProviderTensorRT(o))
	case "openvino":
		// It has threads of its own, and takes as many as it likes when not told.
		return wrap(so.AppendExecutionProviderOpenVINO(withThreads(options, "num_of_threads", threads)))
	case "nnapi":
		return wrap(l.appendLegacy(so, "OrtSessionOptionsAppendExecutionProvider_Nnapi", options, "flags"))
	case "acl":
		return wrap(l.appendLegacy(so, "OrtSessionOptionsAppendExecutionProvider_ACL", options, "enable_fast_math"))
	case "xnnpack":
		// XNNPACK has a pool of its own; without this it runs on one thread.
		options = withThreads(options, "intra_op_num_threads", threads)
	}
	generic, ok := genericProviders[name]
	if !ok {
		generic = name
	}
	return wrap(so.AppendExecutionProvider(generic, options))
}

// withThreads adds a provider's own option for the number of threads, unless the
// user gave it.
func withThreads(options map[string]string, name string, threads int) map[string]string {
	if _, ok := options[name]; ok {
		return options
	}
	out := map[string]string{name: strconv.Itoa(threads)}
	maps.Copy(out, options)
	return out
}

// appendPlugin adds all devices of a plugin's provider. The binding's own append
// refuses plugins.
func (l *library) appendPlugin(so *ortgo.SessionOptions, p *plugin, options map[string]string) error {
	if len(p.devices) == 0 {
		return fmt.Errorf("the plugin %s offers no device on this machine; ONNX Runtime sees here %s", p.path, l.hardware())
	}
	// A plugin may offer several devices of one kind; one session runs on one, the
	// plugin's first, so that a number has one device.
	devices := (*unsafe.Pointer)(C.malloc(C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(devices))
	*devices = p.devices[0]
	keys, values, free := cPairs(options)
	defer free()
	return l.check(C.iso_append_v2(l.api, handle(so, "o"), l.env, devices, 1, keys, values, C.size_t(len(options))))
}

// appendLegacy calls a provider's exported C function; its only option is one number.
func (l *library) appendLegacy(so *ortgo.SessionOptions, symbol string, options map[string]string, only string) error {
	var flags uint64
	for k, v := range options {
		if k != only {
			return fmt.Errorf("no option %q; there is only %q", k, only)
		}
		var err error
		if flags, err = strconv.ParseUint(v, 0, 32); err != nil {
			return fmt.Errorf("option %s=%s is not a number", k, v)
		}
	}
	path, name := C.CString(l.Path), C.CString(symbol)
	defer C.free(unsafe.Pointer(path))
	defer C.free(unsafe.Pointer(name))
	fn := C.iso_symbol(path, name)
	if fn == nil {
		return fmt.Errorf("%s exports no %s", l.Path, symbol)
	}
	return l.check(C.iso_append_legacy(fn, handle(so, "o"), C.uint32_t(flags)))
}

// cPairs copies a map to two C arrays of C strings.
func cPairs(m map[string]string) (keys, values **C.char, free func()) {
	k, v := newCStrings(slices.Sorted(maps.Keys(m))), newCStrings(nil)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[key])
	}
	v = newCStrings(list)
	return k.array, v.array, func() { k.free(); v.free() }
}

// cStrings is a C array of C strings.
type cStrings struct {
	array **C.char
	n     int
}

func newCStrings(list []string) cStrings {
	c := cStrings{n: len(list)}
	if c.n == 0 {
		return c
	}
	c.array = (**C.char)(C.malloc(C.size_t(c.n) * C.size_t(unsafe.Sizeof(uintptr(0)))))
	for i, s := range list {
		unsafe.Slice(c.array, c.n)[i] = C.CString(s)
	}
	return c
}

func (c cStrings) free() {
	if c.array == nil {
		return
	}
	for _, s := range unsafe.Slice(c.array, c.n) {
		C.free(unsafe.Pointer(s))
	}
	C.free(unsafe.Pointer(c.array))
}

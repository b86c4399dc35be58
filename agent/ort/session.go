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
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	ortgo "github.com/yalue/onnxruntime_go"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
)

var (
	_ agent.OutputReader   = (*session)(nil)
	_ agent.MemoryReporter = metered{}
)

// Info loads the library and says which one it is.
func (b *Backend) Info() (agent.Info, error) {
	l, err := b.load()
	if err != nil {
		return agent.Info{}, err
	}
	info := agent.Info{Backend: Name, Version: l.version, Path: l.Path, SHA256: l.sha256, Format: "onnx"}
	if info.Providers, err = l.available(); err != nil {
		return agent.Info{}, err
	}
	for name := range l.plugins {
		if !slices.Contains(info.Providers, name) {
			info.Providers = append(info.Providers, name)
		}
	}
	slices.Sort(info.Providers)
	return info, nil
}

// Open makes a session with its inputs filled and its outputs bound. A model
// whose output shapes the runtime does not know runs once here to find them.
func (b *Backend) Open(ctx context.Context, model agent.Model, opt agent.Options) (agent.Session, error) {
	l, err := b.load()
	if err != nil {
		return nil, err
	}
	if opt.CountMemory {
		return l.openCounted(ctx, model, opt)
	}
	s, err := l.open(ctx, model, opt, secondPass{})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", describe(model), err)
	}
	trimHeap()
	if _, err := s.memoryStats(); err != nil {
		return s, nil
	}
	return metered{s}, nil
}

// metered is a session whose provider's allocator keeps statistics; not all do
// (the WebGPU plugin's does not).
type metered struct{ *session }

// MemoryStats reads the session's allocator for the memory its provider computes in.
func (m metered) MemoryStats() (agent.MemoryStats, error) { return m.memoryStats() }

// describe names a model in a message.
func describe(m agent.Model) string {
	for _, s := range []string{m.Name, m.Path, m.ID} {
		if s != "" {
			return s
		}
	}
	return "model"
}

// session is an open model. The tensors live as long as it does.
type session struct {
	lib      *library
	ort      *ortgo.DynamicAdvancedSession // nil for one that shares constants
	raw      unsafe.Pointer                // the OrtSession
	in, out  []*tensor
	provider string
	options  map[string]string // the provider's

	// Arguments of the run call, in C memory, so that Run builds nothing.
	inNames, outNames cStrings
	values            *unsafe.Pointer // inputs, then outputs
	binding           unsafe.Pointer  // OrtIoBinding; nil when in and out are on the host
	barrier           *session        // run after a bound run, to wait for the device; nil where that waits itself
	stale             bool            // the outputs on the host are older than the last run
	shared            *sharing        // nil where it has all its constants to itself
}

// open makes a session. The zero secondPass is the timed one.
func (l *library) open(ctx context.Context, model agent.Model, opt agent.Options, second secondPass) (_ *session, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if opt.Threads < 1 {
		return nil, fmt.Errorf("threads must be at least 1, not %d", opt.Threads)
	}
	if opt.Provider == "" {
		opt.Provider = "cpu"
	}
	if err := l.start(opt.Threads); err != nil {
		return nil, err
	}
	defer keepSignalStack()()
	so, err := l.sessionOptions(model, opt, second)
	if err != nil {
		return nil, err
	}
	defer so.Destroy()
	s := &session{lib: l, provider: opt.Provider, options: opt.ProviderOptions}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	switch {
	case len(model.Large) > 0 && opt.Provider == "cpu" && second.plain():
		err = l.openShared(s, model, handle(so, "o"))
	case len(model.Bytes) > 0:
		s.ort, err = ortgo.NewDynamicAdvancedSessionWithONNXData(model.Bytes, nil, nil, so)
	case model.Path != "":
		if _, err := os.Stat(model.Path); err != nil {
			return nil, err
		}
		s.ort, err = ortgo.NewDynamicAdvancedSession(model.Path, nil, nil, so)
	default:
		return nil, fmt.Errorf("the model has neither bytes nor a path: %w", agent.ErrUnsupported)
	}
	if err != nil {
		return nil, l.refusal(err, opt)
	}
	if s.ort != nil {
		s.raw = handle(s.ort, "s", "ortSession")
	}
	return s, s.bind(model, opt)
}

// refusal sorts the runtime's reason for not opening a model.
func (l *library) refusal(err error, opt agent.Options) error {
	text := err.Error()
	// The binding prefixes its own words; the runtime's are what counts.
	text = strings.TrimPrefix(text, "Error creating C session from file: ")
	text = strings.TrimPrefix(text, "Error creating C session: ")
	if strings.Contains(text, "fallback to CPU EP has been explicitly disabled") {
		return fmt.Errorf("provider %s: %w: %s", opt.Provider, agent.ErrFallback, text)
	}
	return fmt.Errorf("ONNX Runtime %s: %w: %s", l.version, agent.ErrUnsupported, text)
}

// bind makes the tensors and the arguments of the run call.
func (s *session) bind(model agent.Model, opt agent.Options) error {
	in, out, err := s.lib.ports(s.raw)
	if err != nil {
		return err
	}
	for name := range opt.Inputs {
		if !slices.ContainsFunc(in, func(p port) bool { return p.name == name }) {
			return hint.Wrap(fmt.Errorf("the model has no input %q", name), "its inputs are %s", names(in))
		}
	}
	known := true
	for i, p := range in {
		shape, err := p.resolve(model.Dims)
		if err != nil {
			return err
		}
		if given, ok := opt.Inputs[p.name]; ok && len(shape) == 0 {
			// No dimensions: a scalar, or a rank that the model leaves open, which the
			// runtime does not tell apart. The array settles it.
			for _, d := range given.Shape {
				shape = append(shape, int64(d))
			}
		}
		var t *tensor
		if p.dtype == "string" {
			t, err = s.lib.stringInput(p, shape, opt, i)
		} else if t, err = s.lib.newTensor(p, shape); err == nil {
			err = t.fill(opt.Inputs, opt.Seed, i)
		}
		if t != nil {
			s.in = append(s.in, t)
		}
		if err != nil {
			return err
		}
	}
	for _, p := range out {
		known = known && len(p.shape) > 0 && !slices.ContainsFunc(p.shape, func(d int64) bool { return d < 0 })
	}
	var inNames, outNames []string
	for _, p := range in {
		inNames = append(inNames, p.name)
	}
	for _, p := range out {
		outNames = append(outNames, p.name)
	}
	s.inNames, s.outNames = newCStrings(inNames), newCStrings(outNames)
	s.values = (*unsafe.Pointer)(C.calloc(C.size_t(len(in)+len(out)+1), C.size_t(unsafe.Sizeof(uintptr(0)))))
	for i, t := range s.in {
		s.slots()[i] = t.value
	}
	shapes := make([][]int64, len(out))
	for i, p := range out {
		shapes[i] = p.shape
	}
	if !known {
		if shapes, err = s.discover(len(out)); err != nil {
			return err
		}
	}
	for i, p := range out {
		make := s.lib.newTensor
		if p.dtype == "string" {
			make = s.lib.emptyStrings
		}
		t, err := make(p, shapes[i])
		if err != nil {
			return err
		}
		s.out = append(s.out, t)
		s.slots()[len(s.in)+i] = t.value
	}
	if opt.Provider != "cpu" && !opt.Transfers {
		return s.bindDevice(opt)
	}
	return nil
}

// queueing are the providers whose run call returns when the work is queued, not
// when it is done, as long as no output comes to the host; ONNX Runtime's
// SynchronizeBoundOutputs does not wait for them either. (WebGPU plugin 0.4.0: a
// matrix product of 600 ms "ran" in 30 µs.)
var queueing = map[string]bool{"WebGpuExecutionProvider": true}

// deviceMemory is the memory a provider computes in: nil where that is the host's.
// release it after use. options tell which of several GPUs (device_id). device is
// nil where the environment lists none.
func (l *library) deviceMemory(provider string, options map[string]string) (memory, device unsafe.Pointer, release func(), err error) {
	release = func() {}
	if provider == "cpu" {
		return nil, nil, release, nil
	}
	if device, err = l.device(provider); err != nil {
		return nil, nil, release, err
	}
	switch {
	case device != nil:
		memory = unsafe.Pointer(C.iso_device_memory(l.api, device)) // the device's
	case provider == "cuda" || provider == "tensorrt":
		name := C.CString("Cuda")
		defer C.free(unsafe.Pointer(name))
		id, _ := strconv.Atoi(options["device_id"]) // the provider has refused what is not a number
		if err := l.check(C.iso_named_memory(l.api, name, C.int(id), &memory)); err != nil {
			return nil, nil, release, fmt.Errorf("device memory of provider %s: %w", provider, err)
		}
		release = func() { C.iso_release_memory(l.api, memory) }
	}
	return memory, device, release, nil
}

// bindDevice keeps inputs and outputs in the device's own memory, where the
// provider has such: transfers are then outside Run.
func (s *session) bindDevice(opt agent.Options) error {
	memory, device, release, err := s.lib.deviceMemory(opt.Provider, opt.ProviderOptions)
	if err != nil {
		return err
	}
	defer release()
	if memory == nil { // the provider computes in host memory: nothing to transfer
		return nil
	}
	if device != nil && queueing[C.GoString(C.iso_ep_name(s.lib.api, device))] {
		// A session of one addition, whose four output bytes come to the host
		// through the same queue: when they are there, all before them is done.
		barrier := opt
		barrier.Transfers, barrier.Inputs = true, nil
		if s.barrier, err = s.lib.open(context.Background(), agent.Model{Name: "barrier", Bytes: tinyModel()}, barrier, secondPass{}); err != nil {
			return fmt.Errorf("wait for the device: %w", err)
		}
	}
	if err := s.lib.check(C.iso_create_binding(s.lib.api, s.raw, &s.binding)); err != nil {
		return fmt.Errorf("bind to the device: %w", err)
	}
	for i, t := range s.in {
		name := unsafe.Slice(s.inNames.array, s.inNames.n)[i]
		if err := s.lib.check(C.iso_bind_input(s.lib.api, s.binding, name, t.value)); err != nil {
			return fmt.Errorf("bind input %q to the device: %w", t.name, err)
		}
	}
	for i, t := range s.out {
		name := unsafe.Slice(s.outNames.array, s.outNames.n)[i]
		if err := s.lib.check(C.iso_bind_output(s.lib.api, s.binding, name, memory)); err != nil {
			return fmt.Errorf("bind output %q to the device: %w", t.name, err)
		}
	}
	return nil
}

func (s *session) slots() []unsafe.Pointer {
	return unsafe.Slice(s.values, s.inNames.n+s.outNames.n+1)
}

// discover runs once with outputs of the runtime's making and returns their shapes.
func (s *session) discover(n int) ([][]int64, error) {
	if err := s.run(); err != nil {
		return nil, fmt.Errorf("run once to find the output shapes: %w: %w", agent.ErrUnsupported, err)
	}
	shapes := make([][]int64, n)
	for i := range shapes {
		slot := &s.slots()[len(s.in)+i]
		shape, err := s.lib.shapeOf(*slot)
		C.iso_release_value(s.lib.api, *slot)
		*slot = nil
		if err != nil {
			return nil, err
		}
		shapes[i] = shape
	}
	return shapes, nil
}

// run is the plain run call: inputs and outputs on the host.
func (s *session) run() error {
	out := (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s.values), s.inNames.n*int(unsafe.Sizeof(uintptr(0)))))
	if st := C.iso_run(s.lib.api, s.raw, s.inNames.array, s.values, C.size_t(s.inNames.n), s.outNames.array, C.size_t(s.outNames.n), out); st != nil {
		return runError(s.lib.check(st))
	}
	return nil
}

// Run executes one inference.
func (s *session) Run() error {
	if s.raw == nil {
		return errors.New("run of a closed session")
	}
	if s.binding != nil {
		s.stale = true
		if st := C.iso_run_binding(s.lib.api, s.raw, s.binding); st != nil {
			return runError(s.lib.check(st))
		}
		if s.barrier != nil {
			return s.barrier.run()
		}
		return nil
	}
	return s.run()
}

// Outputs copies the outputs. With transfers excluded they never came to the
// host while running; one more, untimed run with the same inputs brings them.
func (s *session) Outputs() ([]agent.Tensor, error) {
	if s.raw == nil {
		return nil, errors.New("outputs of a closed session")
	}
	if s.stale {
		if err := s.run(); err != nil {
			return nil, err
		}
		s.stale = false
	}
	var list []agent.Tensor
	for _, t := range s.out {
		shape := make([]int, len(t.shape))
		for d, n := range t.shape {
			shape[d] = int(n)
		}
		data := slices.Clone(t.data)
		if t.dtype == "string" {
			var err error
			if data, err = s.lib.stringsOf(t); err != nil {
				return nil, err
			}
		}
		list = append(list, agent.Tensor{Name: t.name, DType: t.dtype, Shape: shape, Data: data})
	}
	runtime.KeepAlive(s)
	return list, nil
}

func (s *session) memoryStats() (agent.MemoryStats, error) {
	if s.raw == nil {
		return agent.MemoryStats{}, errors.New("memory of a closed session")
	}
	memory, _, release, err := s.lib.deviceMemory(s.provider, s.options)
	if err != nil {
		return agent.MemoryStats{}, err
	}
	defer release()
	read := func(key string) (int64, error) {
		c := C.CString(key)
		defer C.free(unsafe.Pointer(c))
		var v C.int64_t
		if err := s.lib.check(C.iso_stats(s.lib.api, s.raw, memory, c, &v)); err != nil {
			return 0, fmt.Errorf("allocator statistics: %w", err)
		}
		if v < 0 {
			return 0, fmt.Errorf("the allocator has no figure %s", key)
		}
		return int64(v), nil
	}
	use, err := read("InUse")
	if err != nil {
		return agent.MemoryStats{}, err
	}
	peak, err := read("MaxInUse")
	if s.shared != nil { // its constants, whoever else uses them
		use, peak = use+s.shared.bytes, peak+s.shared.bytes
	}
	return agent.MemoryStats{InUse: use, MaxInUse: peak}, err
}

// Close frees the session and its tensors. It may be called twice.
func (s *session) Close() error {
	if s.barrier != nil {
		s.barrier.Close()
		s.barrier = nil
	}
	if s.binding != nil {
		C.iso_release_binding(s.lib.api, s.binding)
		s.binding = nil
	}
	if s.ort != nil {
		putBack := keepSignalStack()
		s.ort.Destroy()
		putBack()
		s.ort, s.raw = nil, nil
	}
	if s.raw != nil {
		putBack := keepSignalStack()
		C.iso_release_session(s.lib.api, s.raw)
		putBack()
		s.raw = nil
	}
	s.lib.unshare(s.shared)
	s.shared = nil
	for _, t := range append(s.in, s.out...) {
		s.lib.freeTensor(t)
	}
	s.in, s.out = nil, nil
	s.inNames.free()
	s.outNames.free()
	s.inNames, s.outNames = cStrings{}, cStrings{}
	C.free(unsafe.Pointer(s.values))
	s.values = nil
	return nil
}

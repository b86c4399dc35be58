//go:build cgo

package tflite

/*
#include <stdlib.h>
#include "litert.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
)

// litertStatus names the status codes that were met (litert_common.h).
var litertStatus = map[C.int]string{
	1: "invalid argument", 2: "out of memory", 3: "runtime failure", 5: "unsupported", 500: "not a valid model file",
	notAccelerated: "not every operator is accelerated",
}

const notAccelerated = 504

// litertError is a failed call.
type litertError struct {
	call   string
	status C.int
	detail string
}

func (e litertError) Error() string {
	name := litertStatus[e.status]
	if name == "" {
		name = "status"
	}
	s := fmt.Sprintf("%s: %s (%d)", e.call, name, int(e.status))
	if e.detail != "" {
		s += ": " + e.detail
	}
	return s
}

// accelerator masks (LiteRtHwAccelerators).
const (
	litertCPU = 1
	litertGPU = 2
)

// XNNPACK delegate flags (xnnpack_delegate.h).
const (
	xnnpackQS8       = 1 << 0
	xnnpackQU8       = 1 << 1
	xnnpackForceFP16 = 1 << 2
	xnnpackDynamicFC = 1 << 3
)

type litertSession struct {
	c       *C.litert_session
	inputs  []tensorInfo
	outputs []tensorInfo
}

func (s *litertSession) check(status C.int) error {
	if status == 0 {
		return nil
	}
	e := litertError{call: C.GoString(s.c.failed), status: status}
	if s.c.compiled != nil {
		var text *C.char
		if C.litert_messages(s.c, &text) == 0 && text != nil {
			e.detail = strings.TrimSpace(C.GoString(text))
			C.free(unsafe.Pointer(text))
		}
	}
	return e
}

// environment returns the library's environment for a folder of accelerators.
func (l *library) environment(dir string) (C.rt_env_t, error) {
	if env, ok := l.envs[dir]; ok {
		return env, nil
	}
	var c *C.char // stays allocated: the environment may keep the pointer
	if dir != "" {
		c = C.CString(dir)
	}
	var env C.rt_env_t
	if status := C.litert_environment(l.litert, c, &env); status != 0 {
		return nil, litertError{call: "LiteRtCreateEnvironment", status: status}
	}
	l.envs[dir] = env
	return env, nil
}

// openLiteRT opens a session; the caller is locked to its OS thread.
func (l *library) openLiteRT(file []byte, model agent.Model, opt agent.Options, profile bool) (_ *litertSession, err error) {
	plan, err := l.litertPlan(opt)
	if err != nil {
		return nil, err
	}
	env, err := l.environment(plan.dir)
	if err != nil {
		return nil, err
	}
	entry, err := tflitefb.DecodeSignature(file, model.Signature)
	if err != nil {
		return nil, err
	}
	s := &litertSession{c: (*C.litert_session)(C.calloc(1, C.sizeof_litert_session))}
	s.c.signature = C.size_t(max(0, slices.Index(entry.Signatures, entry.Signature))) // LiteRT has them in the file's order
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.check(C.litert_load(s.c, l.litert, env, unsafe.Pointer(unsafe.SliceData(file)), C.size_t(len(file)))); err != nil {
		return nil, unsupported(err)
	}
	runtime.KeepAlive(file)
	var options []C.litert_option
	for _, o := range plan.options {
		id, toml := C.CString(o[0]), C.CString(o[1])
		defer C.free(unsafe.Pointer(id))
		defer C.free(unsafe.Pointer(toml))
		options = append(options, C.litert_option{id: id, toml: toml})
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	if len(options) > 0 {
		pin.Pin(&options[0])
	}
	if err := s.check(C.litert_compile(s.c, C.int(plan.mask), unsafe.SliceData(options), C.int(len(options)), C.bool(profile))); err != nil {
		return nil, plan.explain(unsupported(err))
	}
	in, out := s.tensors()
	for i := range in {
		name := C.GoString(&in[i].name[0])
		shape, resize, err := concrete(name, declared(entry, name, layoutDims(in[i]._type.layout), model.Dims), model)
		if err != nil {
			return nil, err
		}
		if !resize {
			continue
		}
		var c C.litert_shape
		c.rank = C.int(len(shape))
		for j, d := range shape {
			c.dims[j] = C.int(d)
		}
		if err := s.check(C.litert_resize(s.c, C.int(i), c)); err != nil {
			return nil, unsupported(err)
		}
	}
	s.c.lock_outputs = plan.mask&litertGPU != 0
	if err := s.check(C.litert_buffers(s.c)); err != nil {
		return nil, plan.explain(unsupported(err))
	}
	for _, side := range []struct {
		c    []C.litert_tensor
		into *[]tensorInfo
	}{{in, &s.inputs}, {out, &s.outputs}} {
		for i := range side.c {
			t := &side.c[i]
			info, err := newTensorInfo(C.GoString(&t.name[0]), int(t._type.element_type), layoutDims(t._type.layout), int(t.bytes))
			if err != nil {
				return nil, unsupported(err)
			}
			*side.into = append(*side.into, info)
		}
	}
	return s, plan.verify(s)
}

// litertPlan says how a provider is asked for.
type litertPlan struct {
	provider string
	mask     int
	options  [][2]string // TOML by id
	dir      string      // of accelerators
}

func (l *library) litertPlan(opt agent.Options) (litertPlan, error) {
	p := litertPlan{provider: opt.Provider, mask: litertCPU}
	threads := "num_threads = " + strconv.Itoa(opt.Threads) + "\n"
	switch opt.Provider {
	case CPU, XNNPACK:
		if err := checkOptions(opt, "fp16"); err != nil {
			return p, err
		}
		xnn := threads
		if fp16, err := boolOption(opt, "fp16"); err != nil {
			return p, err
		} else if fp16 {
			xnn += fmt.Sprintf("flags = %d\n", xnnpackQS8|xnnpackQU8|xnnpackDynamicFC|xnnpackForceFP16)
		}
		p.options = [][2]string{{"xnnpack", xnn}}
	case Builtin:
		if err := checkOptions(opt); err != nil {
			return p, err
		}
		// The mode is read under one id, the threads of LiteRT's own kernels under another.
		own := "kernel_mode = \"builtin\"\n" + threads
		p.options = [][2]string{{"xnnpack", own}, {"cpu_delegate", own}}
	case GPU:
		if err := checkOptions(opt, "precision"); err != nil {
			return p, err
		}
		p.mask = litertGPU
		if p.dir = l.accelerators(); p.dir == "" {
			return p, hint.Wrap(fmt.Errorf("provider gpu: no libLiteRt*Accelerator.so beside %s", l.path),
				"run scripts/setup-native.sh litert")
		}
		// wait_type 1 waits for the device; the outputs are locked as well.
		toml := "wait_type = 1\n"
		switch v := opt.ProviderOptions["precision"]; v {
		case "", "fp32": // LiteRtDelegatePrecision: 1 is fp16, 2 fp32
			toml += "precision = 2\n"
		case "fp16":
			toml += "precision = 1\n"
		default:
			return p, hint.Wrap(fmt.Errorf("provider gpu: option precision=%s", v), "it is fp32 or fp16")
		}
		p.options = [][2]string{{"gpu_options", toml}}
	default:
		return p, hint.Wrap(fmt.Errorf("provider %s: LiteRT (%s) has none of that name", opt.Provider, l.path),
			"use cpu, xnnpack, builtin or gpu")
	}
	return p, nil
}

// verify compares what was asked for with what the compiled model says of itself.
func (p litertPlan) verify(s *litertSession) error {
	var all, offCPU C.bool
	if err := s.check(C.litert_accelerated(s.c, &all, &offCPU)); err != nil {
		return err
	}
	switch {
	case p.provider == XNNPACK && !bool(all):
		return hint.Wrap(fmt.Errorf("%w: XNNPACK does not take every operator", agent.ErrFallback),
			"use --provider cpu, which includes the library's own kernels")
	case p.provider == GPU && !bool(offCPU):
		return fmt.Errorf("%w: the GPU does not take every operator", agent.ErrFallback)
	case p.provider == Builtin && bool(all):
		return fmt.Errorf("provider builtin: the library still runs the model with XNNPACK; kernel_mode had no effect")
	}
	return nil
}

// explain adds what a failed compilation most likely means.
func (p litertPlan) explain(err error) error {
	if err == nil || p.provider != GPU {
		return err
	}
	if e := (litertError{}); errors.As(err, &e) && e.status == notAccelerated {
		return fmt.Errorf("%w: %w", agent.ErrFallback, e)
	}
	return hint.Wrap(err, "the GPU accelerator needs libvulkan1 and a Vulkan driver; on a machine without a GPU a software driver will do (scripts/setup-software-vulkan.sh)")
}

func (s *litertSession) tensors() (in, out []C.litert_tensor) {
	return unsafe.Slice(s.c.input, int(s.c.inputs)), unsafe.Slice(s.c.output, int(s.c.outputs))
}

func layoutDims(l C.rt_layout) []int {
	n := int(C.litert_rank(&l))
	dims := make([]int, n)
	for i := range dims {
		dims[i] = int(l.dimensions[i])
	}
	return dims
}

func (s *litertSession) infos() (in, out []tensorInfo) { return s.inputs, s.outputs }

func (s *litertSession) write(input int, data []byte) error {
	return s.check(C.litert_write(s.c, C.int(input), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))))
}

func (s *litertSession) read(output int) ([]byte, error) {
	data := make([]byte, s.outputs[output].bytes)
	err := s.check(C.litert_read(s.c, C.int(output), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))))
	return data, err
}

func (s *litertSession) run() error {
	if status := C.litert_run(s.c); status != 0 {
		return s.check(status)
	}
	return nil
}

func (s *litertSession) close() {
	if s.c != nil {
		C.litert_close(s.c)
		C.free(unsafe.Pointer(s.c))
		s.c = nil
	}
}

// event is one profiled operator.
type event struct {
	tag      string
	delegate bool // inside a delegate
	us       float64
	node     int
}

// Event types (tflite::Profiler::EventType).
const (
	eventOperator = 2 // an operator the interpreter runs itself
	eventDelegate = 8 // an operator inside a delegate
)

// profile runs the model and returns the operators of all runs, in order.
func (s *litertSession) profile(runs int) ([][]event, error) {
	var all [][]event
	for range runs {
		if err := s.check(C.litert_profile_start(s.c)); err != nil {
			return nil, err
		}
		if err := s.run(); err != nil {
			return nil, err
		}
		var c *C.rt_event
		var n C.int
		if err := s.check(C.litert_profile_stop(s.c, &c, &n)); err != nil {
			return nil, err
		}
		var events []event
		for _, e := range unsafe.Slice(c, int(n)) {
			if e.event_type != eventOperator && e.event_type != eventDelegate {
				continue
			}
			events = append(events, event{C.GoString(e.tag), e.event_type == eventDelegate, float64(e.elapsed_us), int(e.metadata1)})
		}
		C.free(unsafe.Pointer(c))
		all = append(all, events)
	}
	return all, nil
}

// declared is an input's shape with -1 for the dimensions that the file leaves open and
// dims gives a length. LiteRT itself tells (told) the length that the tensors are laid out
// for, which stands where dims says nothing.
func declared(m *tflitefb.Model, name string, told []int, dims map[string]int) []int {
	shape := slices.Clone(told)
	for i, t := range m.Inputs {
		if in := m.InputName(i); in[:min(len(in), C.litert_name_length)] != name {
			continue
		}
		for d, n := range m.Tensors[t].Dynamic {
			if _, given := lengthOf(dims, name, d); n < 0 && given && d < len(shape) {
				shape[d] = -1
			}
		}
	}
	return shape
}

// lengthOf returns the length that dims gives dimension i of an input: as NAME[i], or NAME_i, as plans made
// before wrote it.
func lengthOf(dims map[string]int, name string, i int) (n int, ok bool) {
	for _, key := range []string{fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("%s_%d", name, i)} {
		if n, ok = dims[key]; ok {
			return n, true
		}
	}
	return 0, false
}

// concrete replaces the open dimensions of an input, -1, by the model's Dims.
func concrete(name string, shape []int, model agent.Model) (_ []int, resized bool, err error) {
	if !slices.ContainsFunc(shape, func(d int) bool { return d < 1 }) {
		return shape, false, nil
	}
	shape = slices.Clone(shape)
	for i, d := range shape {
		if d > 0 {
			continue
		}
		v, ok := lengthOf(model.Dims, name, i)
		if !ok {
			return nil, false, hint.Wrap(fmt.Errorf("dimension %d of input %q is open", i, name), "give it with %s", hint.Dims(fmt.Sprintf("%s[%d]", name, i)))
		}
		shape[i] = v
	}
	return shape, true, nil
}

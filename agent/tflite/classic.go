//go:build cgo

package tflite

/*
#include <stdlib.h>
#include "classic.h"
*/
import "C"

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"unsafe"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
)

type classicSession struct {
	c       *C.classic_session
	inputs  []tensorInfo
	outputs []tensorInfo
}

func (s *classicSession) check(status C.int) error {
	if status == 0 {
		return nil
	}
	err := fmt.Errorf("%s failed", C.GoString(s.c.failed))
	if text := C.GoString(&s.c.message[0]); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// openClassic opens a session. The caller is locked to its OS thread; for a
// delegate it must be the thread that runs and closes the session as well.
func (b *Backend) openClassic(file []byte, model agent.Model, opt agent.Options) (_ *classicSession, err error) {
	l := b.lib
	// The interpreter knows tensors; what they are called to who runs the model, the
	// signature says.
	entry, err := tflitefb.DecodeSignature(file, model.Signature)
	if err != nil {
		return nil, err
	}
	if entry.Subgraph != 0 {
		return nil, hint.Wrap(fmt.Errorf("signature %q: the classic library enters a model by its first subgraph alone: %w", entry.Signature, agent.ErrUnsupported),
			"run it on LiteRT: --tflite-runtime litert")
	}
	s := &classicSession{c: (*C.classic_session)(C.calloc(1, C.sizeof_classic_session))}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.check(C.classic_load(s.c, l.classic, unsafe.Pointer(unsafe.SliceData(file)), C.size_t(len(file)))); err != nil {
		return nil, unsupported(err)
	}
	runtime.KeepAlive(file)
	if err := b.addDelegate(s, opt); err != nil {
		return nil, err
	}
	if err := s.check(C.classic_create(s.c, C.int(opt.Threads))); err != nil {
		return nil, unsupported(err)
	}
	for i := range int(C.classic_inputs(s.c)) {
		t := C.classic_input(s.c, C.int(i))
		shape, resize, err := concrete(entry.InputName(i), signature(t), model)
		if err != nil {
			return nil, err
		}
		if !resize {
			continue
		}
		dims := make([]C.int, len(shape))
		for j, d := range shape {
			dims[j] = C.int(d)
		}
		if err := s.check(C.classic_resize(s.c, C.int(i), unsafe.SliceData(dims), C.int(len(dims)))); err != nil {
			return nil, unsupported(err)
		}
	}
	if err := s.check(C.classic_allocate(s.c)); err != nil {
		return nil, unsupported(err)
	}
	if err := s.check(C.classic_observe(s.c)); err != nil {
		return nil, err
	}
	for i := range int(C.classic_inputs(s.c)) {
		info, err := tensorOf(C.classic_input(s.c, C.int(i)), entry.InputName(i))
		if err != nil {
			return nil, unsupported(err)
		}
		s.inputs = append(s.inputs, info)
	}
	for i := range int(C.classic_outputs(s.c)) {
		info, err := tensorOf(C.classic_output(s.c, C.int(i)), entry.OutputName(i))
		if err != nil {
			return nil, unsupported(err)
		}
		s.outputs = append(s.outputs, info)
	}
	return s, s.verify(opt.Provider)
}

func (l *library) noProvider(name string) error {
	return hint.Wrap(fmt.Errorf("provider %s: TensorFlow Lite (%s) has none of that name", name, l.path),
		"use cpu, xnnpack, builtin, gpu or delegate")
}

// addDelegate creates the delegate the provider stands for.
func (b *Backend) addDelegate(s *classicSession, opt agent.Options) error {
	l := b.lib
	switch opt.Provider {
	case CPU, XNNPACK:
		if err := checkOptions(opt, "fp16"); err != nil {
			return err
		}
		fp16, err := boolOption(opt, "fp16")
		if err != nil {
			return err
		}
		if l.classic.XNNPackDelegateCreate == nil {
			if opt.Provider == XNNPACK || fp16 {
				return hint.Wrap(fmt.Errorf("provider %s: %s was built without XNNPACK", opt.Provider, l.path), "use --provider builtin, or another library")
			}
			return nil
		}
		flags := C.uint32_t(xnnpackQS8 | xnnpackQU8)
		if fp16 {
			flags |= xnnpackForceFP16
		}
		return s.check(C.classic_xnnpack(s.c, C.int(opt.Threads), flags))
	case Builtin:
		return checkOptions(opt)
	case GPU:
		if err := checkOptions(opt, "precision"); err != nil {
			return err
		}
		path, err := b.gpuLibrary()
		if err != nil {
			return err
		}
		if l.gpu == nil {
			if l.gpu, err = dlopen(path); err != nil {
				return err
			}
		}
		// Sustained speed; the order of priorities decides the precision
		// (delegate_options.h: maximal precision first means fp32).
		o := C.tfl_gpu_options{inference_preference: 1, max_delegated_partitions: 1, experimental_flags: 1,
			priority1: 1, priority2: 2, priority3: 3}
		switch v := opt.ProviderOptions["precision"]; v {
		case "", "fp32":
		case "fp16":
			o.is_precision_loss_allowed, o.priority1, o.priority2, o.priority3 = 1, 2, 3, 1
		default:
			return hint.Wrap(fmt.Errorf("provider gpu: option precision=%s", v), "it is fp32 or fp16")
		}
		if err := s.check(C.classic_gpu(s.c, l.gpu, o)); err != nil {
			return hint.Wrap(fmt.Errorf("%w: %w", agent.ErrUnsupported, err), "the delegate needs OpenCL or OpenGL ES 3.1 on the device")
		}
		return nil
	case Delegate:
		return b.addExternal(s, opt)
	}
	return l.noProvider(opt.Provider)
}

func (b *Backend) addExternal(s *classicSession, opt agent.Options) error {
	path := opt.ProviderOptions["library"]
	if path == "" {
		return hint.Wrap(fmt.Errorf("provider delegate: no library is named"), "give the delegate's path with the provider option library=PATH")
	}
	handle, err := dlopen(path)
	if err != nil {
		return err
	}
	var keys, values []*C.char
	for _, k := range slices.Sorted(maps.Keys(opt.ProviderOptions)) {
		if k == "library" {
			continue
		}
		keys = append(keys, C.CString(k))
		values = append(values, C.CString(opt.ProviderOptions[k]))
	}
	defer func() {
		for i := range keys {
			C.free(unsafe.Pointer(keys[i]))
			C.free(unsafe.Pointer(values[i]))
		}
	}()
	var pin runtime.Pinner
	defer pin.Unpin()
	if len(keys) > 0 {
		pin.Pin(&keys[0])
		pin.Pin(&values[0])
	}
	if err := s.check(C.classic_external(s.c, handle, unsafe.SliceData(keys), unsafe.SliceData(values), C.size_t(len(keys)))); err != nil {
		return hint.Wrap(fmt.Errorf("delegate %s: %w", path, err), "the library must export tflite_plugin_create_delegate and accept the options given")
	}
	return nil
}

// verify compares the provider with where the nodes are.
func (s *classicSession) verify(provider string) error {
	var own, owned int
	first := ""
	for _, n := range s.placement() {
		if n.Provider == Builtin {
			own++
			if first == "" {
				first = n.Op
			}
		} else {
			owned++
		}
	}
	switch provider {
	case Builtin:
		if owned > 0 {
			return fmt.Errorf("provider builtin: the library gave %d of %d nodes to a delegate of its own", owned, own+owned)
		}
	case XNNPACK, GPU, Delegate:
		if own > 0 {
			return fmt.Errorf("%w: %s leaves %d of %d nodes to the library's own kernels, first %s", agent.ErrFallback, provider, own, own+owned, first)
		}
	}
	return nil
}

// ownOnly says that every node runs on the library's own kernels.
func (s *classicSession) ownOnly() bool {
	return !slices.ContainsFunc(s.placement(), func(n agent.PlacedNode) bool { return n.Provider != Builtin })
}

// placement lists the nodes of the execution plan, those of a delegate one by one.
func (s *classicSession) placement() []agent.PlacedNode {
	var nodes []agent.PlacedNode
	for _, n := range unsafe.Slice(s.c.nodes, int(s.c.node_count)) {
		op := tflitefb.Op(n.code).String()
		if name := C.GoString(&n.custom[0]); name != "" {
			op = name
		}
		nodes = append(nodes, agent.PlacedNode{Name: fmt.Sprintf("node %d", int(n.index)), Op: op, Provider: owner(C.GoString(&n.owner[0]))})
	}
	return nodes
}

// owner is the provider of a delegate's name.
func owner(delegate string) string {
	switch delegate {
	case "":
		return Builtin
	case "TfLiteXNNPackDelegate":
		return XNNPACK
	case "TfLiteGpuDelegateV2":
		return GPU
	}
	return delegate
}

// signature is the shape with -1 for dimensions that are open.
func signature(t *C.tfl_tensor) []int {
	dims := ints(t.dims)
	if s := ints(t.dims_signature); len(s) == len(dims) {
		return s
	}
	return dims
}

func ints(a *C.tfl_ints) []int {
	if a == nil {
		return nil
	}
	var v []int
	for _, d := range unsafe.Slice(C.classic_ints(a), int(a.size)) {
		v = append(v, int(d))
	}
	return v
}

func tensorOf(t *C.tfl_tensor, name string) (tensorInfo, error) {
	return newTensorInfo(name, int(t._type), ints(t.dims), int(t.bytes))
}

func (s *classicSession) infos() (in, out []tensorInfo) { return s.inputs, s.outputs }

func (s *classicSession) write(input int, data []byte) error {
	return s.check(C.classic_write(s.c, C.int(input), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))))
}

func (s *classicSession) read(output int) ([]byte, error) {
	data := make([]byte, s.outputs[output].bytes)
	err := s.check(C.classic_read(s.c, C.int(output), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))))
	return data, err
}

func (s *classicSession) run() error {
	if status := C.classic_invoke(s.c); status != 0 {
		return s.check(status)
	}
	return nil
}

func (s *classicSession) close() {
	if s.c != nil {
		C.classic_close(s.c)
		C.free(unsafe.Pointer(s.c))
		s.c = nil
	}
}

//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
)

// alignment of tensor memory: a cache line, and the widest vector register.
const alignment = 64

// maxRank bounds what a model file can make us allocate for a shape.
const maxRank = 32

// port is an input or output as the model declares it. Unknown dimensions are -1.
type port struct {
	name    string
	onnx    int    // element type, ONNX's number
	dtype   string // numpy's name
	size    int    // of an element, bytes
	shape   []int64
	symbols []string
}

// ports reads a session's inputs and outputs.
func (l *library) ports(session unsafe.Pointer) (in, out []port, err error) {
	var nIn, nOut C.size_t
	if err := l.check(C.iso_counts(l.api, session, &nIn, &nOut)); err != nil {
		return nil, nil, err
	}
	for i := range int(nIn) {
		p, err := l.port(session, 0, i)
		if err != nil {
			return nil, nil, err
		}
		in = append(in, p)
	}
	for i := range int(nOut) {
		p, err := l.port(session, 1, i)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, p)
	}
	return in, out, nil
}

func (l *library) port(session unsafe.Pointer, output, i int) (port, error) {
	kind := []string{"input", "output"}[output]
	var cname *C.char
	if err := l.check(C.iso_name(l.api, session, C.int(output), C.size_t(i), &cname)); err != nil {
		return port{}, fmt.Errorf("name of %s %d: %w", kind, i, err)
	}
	p := port{name: C.GoString(cname)}
	C.iso_free(l.api, unsafe.Pointer(cname))
	var info unsafe.Pointer
	var tensor, dtype C.int
	var rank C.size_t
	var dims [maxRank]C.int64_t
	symbols := (**C.char)(C.calloc(maxRank, C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(symbols))
	err := l.check(C.iso_type(l.api, session, C.int(output), C.size_t(i), &info, &tensor, &dtype, &rank, &dims[0], symbols, maxRank))
	defer func() { C.iso_release_type(l.api, info) }()
	if err != nil {
		return port{}, fmt.Errorf("type of %s %q: %w", kind, p.name, err)
	}
	t, ok := dtypes[int(dtype)]
	if tensor == 0 || !ok {
		return port{}, fmt.Errorf("%s %q is not a tensor of numbers or strings: %w", kind, p.name, agent.ErrUnsupported)
	}
	p.onnx, p.dtype, p.size = int(dtype), t.name, t.size
	for d := range int(rank) {
		p.shape = append(p.shape, int64(dims[d]))
		symbol := ""
		if s := unsafe.Slice(symbols, maxRank)[d]; s != nil {
			symbol = C.GoString(s)
		}
		p.symbols = append(p.symbols, symbol)
	}
	return p, nil
}

// resolve gives every unknown dimension of an input its value: from dims by the
// dimension's name, or by INPUT[index] where the model gives it none.
func (p port) resolve(dims map[string]int) ([]int64, error) {
	shape := make([]int64, len(p.shape))
	for d, n := range p.shape {
		if n >= 0 {
			shape[d] = n
			continue
		}
		name := p.symbols[d]
		if name == "" {
			name = fmt.Sprintf("%s[%d]", p.name, d)
		}
		v, ok := dims[name]
		if !ok || v < 0 {
			return nil, hint.Wrap(fmt.Errorf("input %q: dimension %d (%s) has no value", p.name, d, name), "give %s", hint.Dims(name))
		}
		shape[d] = int64(v)
	}
	return shape, nil
}

// tensor is a bound input or output in C memory: Go's collector never sees or
// moves it, and its alignment is the same in every run.
type tensor struct {
	port
	shape  []int64
	memory unsafe.Pointer // as malloc gave it
	data   []byte         // aligned, inside memory
	value  unsafe.Pointer // OrtValue
}

func (l *library) newTensor(p port, shape []int64) (*tensor, error) {
	n := int64(p.size)
	for _, d := range shape {
		if d > 0 && n > (1<<40)/d {
			return nil, fmt.Errorf("tensor %q of shape %v is larger than a terabyte", p.name, shape)
		}
		n *= d
	}
	if n < 0 {
		return nil, fmt.Errorf("tensor %q of shape %v: %w", p.name, shape, agent.ErrUnsupported)
	}
	t := &tensor{port: p, shape: shape, memory: C.malloc(C.size_t(n) + alignment)}
	if t.memory == nil {
		return nil, errors.New("out of memory")
	}
	offset := (alignment - uintptr(t.memory)%alignment) % alignment
	at := unsafe.Add(t.memory, offset) // an empty tensor has an address, too
	t.data = unsafe.Slice((*byte)(at), n)
	clear(t.data)
	var dims *C.int64_t
	if len(shape) > 0 {
		dims = (*C.int64_t)(&shape[0])
	}
	err := l.check(C.iso_tensor(l.api, at, C.size_t(n), dims, C.size_t(len(shape)), C.int(p.onnx), &t.value))
	if err != nil {
		C.free(t.memory)
		return nil, fmt.Errorf("tensor %q: %w", p.name, err)
	}
	return t, nil
}

func (l *library) freeTensor(t *tensor) {
	C.iso_release_value(l.api, t.value)
	C.free(t.memory)
	t.value, t.memory, t.data = nil, nil, nil
}

// shapeOf reads the shape of a tensor of the runtime's making.
func (l *library) shapeOf(value unsafe.Pointer) ([]int64, error) {
	var rank C.size_t
	var dims [maxRank]C.int64_t
	if err := l.check(C.iso_shape(l.api, value, &rank, &dims[0], maxRank)); err != nil {
		return nil, err
	}
	if rank > maxRank {
		return nil, fmt.Errorf("an output has %d dimensions: %w", rank, agent.ErrUnsupported)
	}
	shape := make([]int64, rank)
	for d := range shape {
		shape[d] = int64(dims[d])
	}
	return shape, nil
}

// fill sets an input to the caller's elements, or to synthesised ones.
func (t *tensor) fill(given map[string]agent.Tensor, seed uint64, index int) error {
	g, ok := given[t.name]
	if !ok {
		agent.Synthesise(t.data, t.dtype, seed, index)
		return nil
	}
	if !t.fits(g) || len(g.Data) != len(t.data) {
		return t.mismatch(g)
	}
	copy(t.data, g.Data)
	return nil
}

// fits says whether the caller's array has the input's type and shape.
func (t *tensor) fits(g agent.Tensor) bool {
	same := g.DType == t.dtype && len(g.Shape) == len(t.shape)
	for d := 0; same && d < len(g.Shape); d++ {
		same = int64(g.Shape[d]) == t.shape[d]
	}
	return same
}

func (t *tensor) mismatch(given agent.Tensor) error {
	return hint.Wrap(fmt.Errorf("input %q wants %s %v, given is %s %v", t.name, t.dtype, t.shape, given.DType, given.Shape),
		"agent bench --list-io shows what the model wants")
}

// names joins the names of ports for a message.
func names(ports []port) string {
	var list []string
	for _, p := range ports {
		list = append(list, p.name)
	}
	return strings.Join(list, ", ")
}

//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/isocost/isocost/agent"
)

// newStrings makes a string tensor. Its elements live in the runtime's memory: it
// alone can hold strings. nil leaves them empty, for an output.
func (l *library) newStrings(p port, shape []int64, list []string) (*tensor, error) {
	var dims *C.int64_t
	if len(shape) > 0 {
		dims = (*C.int64_t)(&shape[0])
	}
	text := newCStrings(list)
	defer text.free()
	t := &tensor{port: p, shape: shape}
	if err := l.check(C.iso_strings(l.api, dims, C.size_t(len(shape)), text.array, C.size_t(text.n), &t.value)); err != nil {
		C.iso_release_value(l.api, t.value)
		return nil, fmt.Errorf("tensor %q: %w", p.name, err)
	}
	return t, nil
}

func (l *library) emptyStrings(p port, shape []int64) (*tensor, error) {
	return l.newStrings(p, shape, nil)
}

// stringInput makes an input of the caller's strings, or of synthesised ones.
func (l *library) stringInput(p port, shape []int64, opt agent.Options, index int) (*tensor, error) {
	n := int64(1)
	for _, d := range shape {
		if d > 0 && n > (1<<32)/d {
			return nil, fmt.Errorf("tensor %q of shape %v has billions of strings", p.name, shape)
		}
		n *= d
	}
	if n == 0 {
		return nil, fmt.Errorf("tensor %q of shape %v is empty: %w", p.name, shape, agent.ErrUnsupported)
	}
	given, ok := opt.Inputs[p.name]
	if !ok {
		return l.newStrings(p, shape, agent.SynthesiseStrings(int(n), opt.Seed, index))
	}
	want := &tensor{port: p, shape: shape}
	list, err := given.Strings()
	if err != nil || len(list) != int(n) || !want.fits(given) {
		return nil, want.mismatch(given)
	}
	return l.newStrings(p, shape, list)
}

// stringsOf copies a string tensor's elements out.
func (l *library) stringsOf(t *tensor) ([]byte, error) {
	shape, err := l.shapeOf(t.value)
	if err != nil {
		return nil, err
	}
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	var size C.size_t
	if err := l.check(C.iso_string_bytes(l.api, t.value, &size)); err != nil {
		return nil, fmt.Errorf("read strings %q: %w", t.name, err)
	}
	text, at := make([]byte, size+1), make([]C.size_t, n+1)
	if err := l.check(C.iso_string_content(l.api, t.value, unsafe.Pointer(&text[0]), size, &at[0], C.size_t(n))); err != nil {
		return nil, fmt.Errorf("read strings %q: %w", t.name, err)
	}
	at[n] = size
	list := make([]string, n)
	for i := range list {
		list[i] = string(text[at[i]:at[i+1]])
	}
	return agent.JoinStrings(list), nil
}

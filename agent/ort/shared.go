//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"unsafe"

	"github.com/isocost/isocost/agent"
)

// Large constants that several sessions of a process hold alike are kept once: the four
// megabytes that a cold frame reads, above all, which would be eight of each of a
// thousand models. The runtime reads such a constant where the session's options say it is
// (AddInitializer), and keeps what its kernels repack of it in a container that sessions
// share, too (CreateSessionFromArrayWithPrepackedWeightsContainer).

// constant is a tensor that sessions share.
type constant struct {
	*tensor
	sum   uint64
	users int // sessions
}

// packing holds what kernels made of one set of constants.
type packing struct {
	container unsafe.Pointer
	of        string // the constants
	users     int
}

// pool holds what the open sessions of the process share.
type pool struct {
	constants []*constant
	packings  []*packing
}

var sumSeed = maphash.MakeSeed()

// sharing is one session's part of the pool.
type sharing struct {
	constants []*constant
	packing   *packing
	bytes     int64
}

// share puts a model's large constants into a session's options. The caller keeps what it
// returns until the session is closed, then calls unshare.
func (l *library) share(options unsafe.Pointer, large []agent.Tensor) (_ *sharing, err error) {
	s := &sharing{}
	defer func() {
		if err != nil {
			l.unshare(s)
		}
	}()
	var of []string
	for _, t := range large {
		c, err := l.constant(t)
		if err != nil {
			return nil, err
		}
		if slices.Contains(s.constants, c) { // two of one model are two in the caches
			continue
		}
		c.users++
		s.constants = append(s.constants, c)
		s.bytes += int64(len(c.data))
		of = append(of, fmt.Sprintf("%x %v", c.sum, c.shape))
		name := C.CString(t.Name)
		err = l.check(C.iso_add_initializer(l.api, options, name, c.value))
		C.free(unsafe.Pointer(name))
		if err != nil {
			return nil, fmt.Errorf("share constant %q: %w", t.Name, err)
		}
	}
	slices.Sort(of)
	key := strings.Join(of, ", ")
	i := slices.IndexFunc(l.shared.packings, func(p *packing) bool { return p.of == key })
	if i < 0 {
		p := &packing{of: key}
		if err := l.check(C.iso_create_packing(l.api, &p.container)); err != nil {
			return nil, fmt.Errorf("share packed constants: %w", err)
		}
		i = len(l.shared.packings)
		l.shared.packings = append(l.shared.packings, p)
	}
	s.packing = l.shared.packings[i]
	s.packing.users++
	return s, nil
}

// constant finds a tensor in the pool, byte for byte, or puts it there.
func (l *library) constant(t agent.Tensor) (*constant, error) {
	sum := maphash.Bytes(sumSeed, t.Data)
	shape := make([]int64, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = int64(d)
	}
	for _, c := range l.shared.constants {
		if c.sum == sum && c.dtype == t.DType && slices.Equal(c.shape, shape) && bytes.Equal(c.data, t.Data) {
			return c, nil
		}
	}
	for number, d := range dtypes {
		if d.name != t.DType {
			continue
		}
		made, err := l.newTensor(port{name: t.Name, onnx: number, dtype: d.name, size: d.size}, shape)
		if err != nil {
			return nil, err
		}
		if len(made.data) != len(t.Data) {
			l.freeTensor(made)
			return nil, fmt.Errorf("constant %q: %d bytes for shape %v of %s", t.Name, len(t.Data), t.Shape, t.DType)
		}
		copy(made.data, t.Data)
		c := &constant{tensor: made, sum: sum}
		l.shared.constants = append(l.shared.constants, c)
		return c, nil
	}
	return nil, fmt.Errorf("constant %q is of unknown type %s", t.Name, t.DType)
}

// unshare gives a closed session's part back; what no other session uses is freed.
func (l *library) unshare(s *sharing) {
	if s == nil {
		return
	}
	for _, c := range s.constants {
		c.users--
	}
	if s.packing != nil {
		s.packing.users--
	}
	// Packed constants refer to nothing of the plain ones.
	l.shared.packings = slices.DeleteFunc(l.shared.packings, func(p *packing) bool {
		if p.users == 0 {
			C.iso_release_packing(l.api, p.container)
		}
		return p.users == 0
	})
	l.shared.constants = slices.DeleteFunc(l.shared.constants, func(c *constant) bool {
		if c.users == 0 {
			l.freeTensor(c.tensor)
		}
		return c.users == 0
	})
	*s = sharing{}
}

// openShared makes a session of model bytes whose large constants are the pool's.
func (l *library) openShared(s *session, model agent.Model, options unsafe.Pointer) (err error) {
	if s.shared, err = l.share(options, model.Large); err != nil {
		return err
	}
	if len(model.Bytes) == 0 {
		return errors.New("the model has no bytes")
	}
	data := C.CBytes(model.Bytes) // the runtime reads them within the call only
	defer C.free(data)
	return l.check(C.iso_session(l.api, l.env, data, C.size_t(len(model.Bytes)), options, s.shared.packing.container, &s.raw))
}

//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// bareLoop runs the session runs times from a loop in C that does nothing else,
// and returns each run's nanoseconds: what the harness's own timings are held
// against (BenchmarkHarnessOverhead).
func (s *session) bareLoop(runs int) ([]int64, error) {
	if s.raw == nil || s.binding != nil {
		return nil, errors.New("the bare loop needs an open session with inputs and outputs on the host")
	}
	ns := make([]int64, runs)
	out := (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s.values), s.inNames.n*int(unsafe.Sizeof(uintptr(0)))))
	if st := C.iso_loop(s.lib.api, s.raw, s.inNames.array, s.values, C.size_t(s.inNames.n), s.outNames.array, C.size_t(s.outNames.n), out,
		(*C.int64_t)(unsafe.Pointer(unsafe.SliceData(ns))), C.size_t(runs)); st != nil {
		return nil, runError(s.lib.check(st))
	}
	return ns, nil
}

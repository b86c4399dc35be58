//go:build cgo

package ort

/*
#include "shim.h"
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// keepSignalStack holds the goroutine on its thread until the function it returns
// puts back the alternate signal stack that the thread has now.
//
// OpenVINO's CPU plugin gives the thread that loads it a signal stack of its own and
// means to put the old one back when it ends, on whichever thread that is. Go's
// threads then take their signals on memory that is gone, and the process dies of
// the next one, without a word.
func keepSignalStack() (putBack func()) {
	runtime.LockOSThread()
	var mine, theirs [C.ISO_SIGNAL_STACK]byte
	C.iso_signal_stack(nil, unsafe.Pointer(&mine))
	return func() {
		C.iso_signal_stack(unsafe.Pointer(&mine), unsafe.Pointer(&theirs))
		runtime.UnlockOSThread()
	}
}

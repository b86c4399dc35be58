//go:build cgo

package tflite

// #include "heap.h"
import "C"

import "github.com/isocost/isocost/agent"

// heapGrowth holds what a session took of the process's heap, in bytes: when it was
// open, its inputs and outputs left out, and the most once it had run. Both
// libraries allocate with malloc: the model's copy, packed weights, arenas and
// XNNPACK's workspace. Nothing else may open or run meanwhile, which holds for a
// campaign's child.
type heapGrowth struct {
	before, opened, peak int64
	known                bool
}

func heapInUse() int64 { return int64(C.heap_in_use()) }

// stats are the growth as the harness asks for it.
func (h heapGrowth) stats() agent.MemoryStats {
	return agent.MemoryStats{InUse: h.opened, MaxInUse: h.peak, Source: agent.FromHeap}
}

// measure takes the two figures: opened must be read before the first run.
func (h *heapGrowth) measure(opened int64, in, out []tensorInfo) {
	ran := heapInUse()
	io := int64(0)
	for _, side := range [][]tensorInfo{in, out} {
		for _, t := range side {
			io += int64(t.bytes)
		}
	}
	h.opened = opened - h.before - io
	h.peak = max(ran, opened) - h.before
	h.known = h.before >= 0 && h.opened > 0
}

// heapSession is a session whose memory is known by the heap's growth.
type heapSession struct{ *session }

// MemoryStats are InUse what opening the model took – weights, packed, and the arena
// that the interpreter plans then – and MaxInUse with inputs, outputs and what the
// first run took besides.
func (s *heapSession) MemoryStats() (agent.MemoryStats, error) {
	if s.native == nil {
		return agent.MemoryStats{}, errClosed
	}
	return s.heap.stats(), nil
}

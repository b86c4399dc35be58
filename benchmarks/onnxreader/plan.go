package onnxreader

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// A step is one kernel as the memory planner sees it.
type step struct {
	in, out []*slot
	inplace []int // inputs that the first output may be written onto, best first
	alias   bool  // the first output is the first input seen otherwise
	own     int64 // bytes that the kernel itself takes while it runs
}

// slot is a tensor as the planner sees it. Its shape is nil where it is not known
// before it is computed.
type slot struct {
	shape   []int
	width   int   // bits of an element
	bytes   int64 // what is allocated for it
	foreign bool  // an input, an output or a weight: memory that no run takes

	buffer *slot // whose memory it lies in
	uses   int   // of the buffer, until nobody needs it
	held   bool
	last   int // step after which the buffer's memory is given back
}

// arrange returns the bytes in use while each step runs, as ONNX Runtime plans a
// sequence of kernels (core/framework/allocation_planner.cc,
// ComputeSingleStreamReusePlan): an output lies in an input's buffer where its kernel
// allows that and nobody else needs the input; else in the buffer that was given up
// last among those of its shape and width; else in one of its own. A buffer is
// allocated with its first tensor and freed after the last that lies in it: one that
// waits to be used again is not free, which is why liveness alone says too little.
func arrange(steps []*step) []int64 {
	use := func(s *slot) {
		if s != nil {
			s.uses++
		}
	}
	for _, st := range steps {
		for _, s := range slices.Concat(st.in, st.out) {
			if s != nil {
				s.buffer, s.uses, s.held = s, 0, false
			}
		}
	}
	for _, st := range steps {
		for _, s := range slices.Concat(st.in, st.out) {
			use(s)
			if s != nil && s.foreign && s.uses == 1 {
				s.uses++ // the caller's
			}
		}
	}
	var free []*slot
	release := func(list []*slot) {
		for _, s := range list {
			if s == nil {
				continue
			}
			if s.buffer.uses--; s.buffer.uses == 0 {
				free = slices.Insert(free, 0, s.buffer)
			}
		}
	}
	reuse := func(s, of *slot) {
		s.buffer = of.buffer
		if s.buffer != s {
			s.buffer.uses += s.uses
		}
	}
	for _, st := range steps {
		for at, s := range st.out {
			switch {
			case s == nil || s.foreign:
			case at == 0 && st.alias && len(st.in) > 0 && st.in[0] != nil:
				reuse(s, st.in[0])
			default:
				if at == 0 {
					if i := slices.IndexFunc(st.inplace, func(i int) bool {
						return i < len(st.in) && st.in[i] != nil && st.in[i].buffer.uses == 1 && st.in[i].fits(s)
					}); i >= 0 {
						reuse(s, st.in[st.inplace[i]])
						continue
					}
				}
				if i := slices.IndexFunc(free, s.fits); i >= 0 && len(s.shape) > 0 {
					reuse(s, free[i])
					free = slices.Delete(free, i, i+1)
				}
			}
		}
		release(st.in)
		release(st.out)
	}
	for i, st := range steps {
		for _, s := range slices.Concat(st.in, st.out) {
			if s != nil {
				s.buffer.last = i
			}
		}
	}
	used := make([]int64, len(steps))
	live := int64(0)
	for i, st := range steps {
		for _, s := range st.out {
			if s != nil && !s.buffer.foreign && !s.buffer.held {
				s.buffer.held = true
				live += s.buffer.bytes
			}
		}
		used[i] = live + st.own
		for _, s := range slices.Concat(st.in, st.out) {
			if s != nil && s.buffer.held && s.buffer.last == i {
				s.buffer.held, s.buffer.last = false, -1
				live -= s.buffer.bytes
			}
		}
	}
	return used
}

// fits says whether one may lie in the other's memory: the same shape, known, and
// elements of the same width.
func (s *slot) fits(t *slot) bool {
	return s.shape != nil && s.width == t.width && slices.Equal(s.shape, t.shape)
}

// inplace are the operators whose kernels on ONNX Runtime's CPU provider may write
// their output onto inputs (MayInplace of their registrations).
var inplace = map[string][]int{
	"Relu": {0}, "LeakyRelu": {0}, "Sigmoid": {0}, "Tanh": {0}, "Elu": {0}, "Selu": {0}, "Celu": {0}, "HardSigmoid": {0}, "HardSwish": {0},
	"Softplus": {0}, "Softsign": {0}, "ThresholdedRelu": {0}, "Clip": {0}, "Cast": {0}, "Softmax": {0}, "LogSoftmax": {0},
	"com.microsoft.nchwc:Conv": {3}, "com.microsoft:FusedConv": {3}, "com.microsoft:NhwcFusedConv": {3},
}

// steps are those of a graph that the runtime has optimised: its nodes are its
// kernels, in the order in which they run.
func (g *graph) steps() (list []*step, of []*node, ok bool) {
	slots := map[*value]*slot{}
	slotOf := func(v *value) *slot {
		if v == nil {
			return nil
		}
		s := slots[v]
		if s == nil {
			s = &slot{width: v.dtype.Bits(), foreign: v.from == nil || v.constant || v.output}
			if v.dtype == onnx.String {
				s.width = 0
			}
			if v.known {
				s.shape = slices.Clone(v.shape)
				if s.shape == nil {
					s.shape = []int{}
				}
			}
			wide := *v
			if v.from != nil && v.from.op == "com.microsoft.nchwc:ReorderInput" && len(s.shape) == 4 {
				s.shape[1] = blockedChannels(v)
				wide.shape = s.shape
			}
			var known bool
			if s.bytes, known = wide.bytes(); !known && !s.foreign {
				ok = false
			}
			slots[v] = s
		}
		return s
	}
	ok = true
	for _, n := range g.nodes {
		st := &step{inplace: inplace[n.op], alias: views[n.op], own: n.workspace()}
		for _, v := range n.in {
			st.in = append(st.in, slotOf(v))
		}
		for _, v := range n.out {
			st.out = append(st.out, slotOf(v))
		}
		list, of = append(list, st), append(of, n)
	}
	return list, of, ok
}

// plan notes what is in use while each node of a lowered graph runs.
func (g *graph) plan() {
	steps, nodes, ok := g.steps()
	if !ok {
		return
	}
	g.inUse = map[string]int64{}
	for i, bytes := range arrange(steps) {
		g.inUse[nodes[i].parts[0]] = bytes
	}
}

// blockedChannels are the channels of a reordered map, in whole blocks: as many as the
// weights of a convolution that reads it say.
func blockedChannels(v *value) int {
	c := v.shape[1]
	for _, n := range v.to {
		if w := n.input(1); n.op == "com.microsoft.nchwc:Conv" && w != nil && len(w.shape) == 4 && n.input(0) == v {
			return max(c, w.shape[1]*n.int("group", 1))
		}
	}
	return (c + blockChannels - 1) / blockChannels * blockChannels
}

package ortmemory

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// A step is one kernel as the memory planner sees it.
type step struct {
	what    string // of a step before or after the node's kernel: what it does
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

// steps are those of a graph that the runtime has optimised: its nodes are its
// kernels, in the order in which they run.
func steps(g *graph.Graph, on ortmodel.Target) (list []*step, of []*graph.Node, ok bool) {
	slots := map[*graph.Value]*slot{}
	slotOf := func(v *graph.Value) *slot {
		if v == nil {
			return nil
		}
		s := slots[v]
		if s == nil {
			s = &slot{width: v.Type.Bits(), foreign: v.From == nil || v.Constant || v.Output}
			if v.Type == onnx.String {
				s.width = 0
			}
			if v.Known {
				s.shape = slices.Clone(v.Shape)
				if s.shape == nil {
					s.shape = []int{}
				}
			}
			wide := *v
			if v.From != nil && v.From.Op == "com.microsoft.nchwc:ReorderInput" && len(s.shape) == 4 {
				s.shape[1] = blockedChannels(v, on.Block())
				wide.Shape = s.shape
			}
			var known bool
			if s.bytes, known = sizeOf(&wide); !known && !s.foreign {
				ok = false
			}
			slots[v] = s
		}
		return s
	}
	ok = true
	for _, n := range g.Nodes {
		st := newStep(n)
		for _, v := range n.In {
			st.in = append(st.in, slotOf(v))
		}
		for _, v := range n.Out {
			st.out = append(st.out, slotOf(v))
		}
		list, of = append(list, st), append(of, n)
	}
	return list, of, ok
}

// blockedChannels are the channels of a reordered map, in whole blocks: as many as the
// weights of a convolution that reads it say.
func blockedChannels(v *graph.Value, block int) int {
	c := v.Shape[1]
	for _, n := range v.To {
		if w := n.Input(1); n.Op == "com.microsoft.nchwc:Conv" && w != nil && len(w.Shape) == 4 && n.Input(0) == v {
			return max(c, w.Shape[1]*n.Int("group", 1))
		}
	}
	return (c + block - 1) / block * block
}

// newStep is a node's kernel without its tensors.
func newStep(n *graph.Node) *step {
	o := ortmodel.Lookup(n.Op)
	return &step{inplace: o.InPlace, alias: o.View, own: workspace(n)}
}

package onnxreader

import "slices"

// blockChannels is the channel block of ONNX Runtime's layout NCHWc on x86 with
// 512-bit registers (MlasNchwcGetBlockSize); maps in it are padded to whole blocks.
const blockChannels = 16

// liveness walks the nodes in order and returns, for each, the most bytes of
// activations alive while it runs: what is computed before and still needed, its
// outputs among them. The network's inputs belong to the caller and its weights are no
// activations. ok is false where a shape is not known.
//
// Buffers are shared as ONNX Runtime does (MayInplace, core/framework/allocation_
// planner.cc): a view lies in its input's, the output of an element-wise node in that
// of an operand of its own size which nothing else needs any more, a convolution with
// an addition inside in the other operand's. What it does not run inside a kernel
// needs room of its own: a padded copy, the input of an activation.
//
// A lower bound: an allocator rounds up and keeps what it cannot split, and a kernel
// may ask for room that no tensor is.
func (g *graph) liveness(blocked map[*value]bool) (alive map[*node]int64, ok bool) {
	last := map[*value]int{}
	for i, n := range g.nodes {
		if n.dead {
			continue
		}
		for _, v := range n.in {
			if v != nil {
				last[v] = i
			}
		}
	}
	for _, v := range g.outputs {
		last[v] = len(g.nodes)
	}
	buffers := map[*value]*buffer{}
	alive = map[*node]int64{}
	live := int64(0)
	for i, n := range g.nodes {
		if n.dead {
			continue
		}
		free := func(vs []*value) {
			for _, v := range vs {
				if b := buffers[v]; b != nil && b.until <= i {
					live -= b.size
					b.size = 0
				}
			}
		}
		reuse := g.shares(n, i, last, buffers, blocked)
		peak, padded := live, int64(0)
		if n.pad != nil {
			if padded, ok = n.padded(); !ok {
				return nil, false
			}
			live += padded
			peak = max(peak, live)
			if last[n.in[0]] <= i {
				free(n.in[:1])
			}
		}
		for at, v := range n.out {
			if v == nil || v.constant {
				continue
			}
			size, known := v.bytes(blocked[v])
			if !known {
				return nil, false
			}
			if at == 0 && reuse != nil {
				buffers[v] = reuse
				reuse.until = max(reuse.until, last[v])
				continue
			}
			buffers[v] = &buffer{size, max(i, last[v])}
			live += size
		}
		peak = max(peak, live)
		live -= padded
		free(n.in)
		if copies := n.apart(); copies > 0 && len(n.out) > 0 && n.out[0] != nil {
			size, _ := n.out[0].bytes(blocked[n.out[0]])
			peak = max(peak, live+copies*size)
		}
		free(n.out)
		alive[n] = peak
	}
	return alive, true
}

// padded is the size of the copy that a Pad merged into the node makes of its input.
func (n *node) padded() (int64, bool) {
	x := n.in[0]
	k := len(n.pad) / 2
	if !x.known || len(x.shape) < k {
		return 0, false
	}
	wide := *x
	wide.shape = slices.Clone(x.shape)
	for i := range k {
		wide.shape[len(x.shape)-k+i] += n.pad[i] + n.pad[k+i]
	}
	return wide.bytes(false)
}

// apart is how many tensors of the output's size live beside it while the activation
// runs that the keys count to the node but ONNX Runtime runs after it: QuickGelu, Gelu
// and HardSwish write a tensor of their own, BiasGelu (after a matrix product) keeps
// another.
func (n *node) apart() int64 {
	switch n.act {
	case "silu", "hswish":
		return 1
	case "gelu":
		if isMatrix(n) {
			return 2
		}
		return 1
	}
	return 0
}

// fusedSum is the addition that goes into the convolution n, nil when none does.
func fusedSum(n *node) *node {
	if n.op != "Conv" || n.int8 || len(n.out) == 0 || !only(n.out[0]) {
		return nil
	}
	if sum := n.out[0].to[0]; !sum.dead && len(sum.in) == 2 && sum.in[0] != nil && sum.in[1] != nil && inConv(sum) {
		return sum
	}
	return nil
}

// onlyLater reports that of the uses of v after node i only the addition is left.
func (g *graph) onlyLater(v *value, i int, sum *node, last map[*value]int) bool {
	return last[v] < len(g.nodes) && g.nodes[last[v]] == sum
}

// weigh writes the activations alive into the network; made says which kernel a node
// became.
func (g *graph) weigh(net *Network, blocked map[*value]bool, made map[*node]int) {
	if g.inUse != nil {
		for _, bytes := range g.inUse {
			net.PeakBytes = max(net.PeakBytes, bytes)
		}
		for n, k := range made {
			for _, part := range n.parts {
				net.Kernels[k].LiveBytes = max(net.Kernels[k].LiveBytes, g.inUse[part])
			}
		}
		return
	}
	alive, ok := g.liveness(blocked)
	if !ok {
		return
	}
	for n, bytes := range alive {
		net.PeakBytes = max(net.PeakBytes, bytes)
		if k, ok := made[n]; ok {
			net.Kernels[k].LiveBytes = bytes
		}
	}
}

// buffer is a piece of memory and the node after which nobody needs it.
type buffer struct {
	size  int64
	until int
}

// shares is the buffer that the first output of node i lies in, nil for one of its
// own.
func (g *graph) shares(n *node, i int, last map[*value]int, buffers map[*value]*buffer, blocked map[*value]bool) *buffer {
	if len(n.out) == 0 || n.out[0] == nil {
		return nil
	}
	want, _ := n.out[0].bytes(blocked[n.out[0]])
	if views[n.op] {
		if len(n.in) > 0 {
			return buffers[n.in[0]] // nil for a view of the network's input
		}
		return nil
	}
	var candidates []*value
	sum := fusedSum(n)
	switch {
	case sum != nil: // written onto the other operand
		v := sum.in[0]
		if v == n.out[0] {
			v = sum.in[1]
		}
		b := buffers[v]
		// The addition runs with the convolution: what it alone still needs is free.
		if size, _ := v.bytes(blocked[v]); b != nil && size == want && len(v.to) > 0 && g.onlyLater(v, i, sum, last) {
			return b
		}
		return nil
	case binaries[n.op] != "":
		candidates = n.in
	case activationOf(n) != "", n.op == "Clip", n.op == "Softmax", n.op == "BatchNormalization", n.op == "Cast":
		candidates = n.in[:min(1, len(n.in))]
	case n.op == "com.microsoft.nchwc:Conv" && n.input(3) != nil:
		candidates = n.in[3:4]
	}
	for _, v := range candidates {
		b := buffers[v]
		if v == nil || b == nil || b.until > i || last[v] > i {
			continue
		}
		if size, _ := v.bytes(blocked[v]); size == want {
			return b
		}
	}
	return nil
}

// bytes of a value; known is false where its shape or type is not.
func (v *value) bytes(blocked bool) (size int64, known bool) {
	n := elements(v.shape)
	bits := v.dtype.Bits()
	if !v.known || n < 0 || bits == 0 {
		return 0, false
	}
	if blocked && bits == 32 && len(v.shape) == 4 {
		n = n / max(1, v.shape[1]) * ((v.shape[1] + blockChannels - 1) / blockChannels * blockChannels)
	}
	return (int64(n)*int64(bits) + 7) / 8, true
}

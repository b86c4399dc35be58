package reference

import "github.com/isocost/isocost/benchmarks/graph"

func (e *env) expand(n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	for i := range out {
		out[i] = e.vals[x][broadcast(i, y.Shape, x.Shape)]
	}
}

// blocks moves channels to blocks of pixels, or back.
func (e *env) blocks(n *graph.Node, out []float32) {
	a := e.vals[n.In[0]]
	deep, wide, from, to := n.In[0], n.Out[0], a, out
	if n.Op == graph.SpaceToDepth {
		deep, wide, from, to = n.Out[0], n.In[0], out, a
	}
	f, c := n.Int("factor", 1), wide.Shape[1]
	for i := range wide.Len() {
		ox, oy, ch, img := i%wide.Shape[3], i/wide.Shape[3]%wide.Shape[2], i/(wide.Shape[2]*wide.Shape[3])%c, i/(wide.Shape[2]*wide.Shape[3])/c
		j := ((img*deep.Shape[1]+(oy%f*f+ox%f)*c+ch)*deep.Shape[2]+oy/f)*deep.Shape[3] + ox/f
		if n.Op == graph.DepthToSpace {
			to[i] = from[j]
		} else {
			from[j] = to[i]
		}
	}
}

// pad leaves zeros behind the end of each axis.
func (e *env) pad(n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	for i, v := range e.vals[x] {
		k, stride, r := 0, 1, i // the element's place in y
		for j := len(x.Shape) - 1; j >= 0; j-- {
			k += r % x.Shape[j] * stride
			r /= x.Shape[j]
			stride *= y.Shape[j]
		}
		out[k] = v
	}
}

// slice keeps the first part of an axis.
func (e *env) slice(n *graph.Node, out []float32) {
	x, axis := n.In[0], n.Int("axis", 1)
	row, full := product(n.Out[0].Shape[axis:]), product(x.Shape[axis:])
	for i := range out {
		out[i] = e.vals[x][i/row*full+i%row]
	}
}

func (e *env) concat(n *graph.Node, out []float32) {
	y, axis := n.Out[0], n.Int("axis", 1)
	inner := product(y.Shape[axis+1:])
	for i := range out {
		at := i / inner % y.Shape[axis] // position on the joined axis
		for _, v := range n.In {
			if size := v.Shape[axis]; at >= size {
				at -= size
			} else {
				out[i] = e.vals[v][(i/inner/y.Shape[axis]*size+at)*inner+i%inner]
				break
			}
		}
	}
}

func (e *env) split(n *graph.Node) {
	x, axis := n.In[0], n.Int("axis", 1)
	inner := product(x.Shape[axis+1:])
	start := 0
	for _, v := range n.Out {
		size := v.Shape[axis]
		part := make([]float32, v.Len())
		for i := range part {
			part[i] = e.vals[x][(i/inner/size*x.Shape[axis]+start+i/inner%size)*inner+i%inner]
		}
		e.set(v, part)
		start += size
	}
}

func (e *env) transpose(n *graph.Node, out []float32) {
	x, y, perm := n.In[0], n.Out[0], n.Attrs.Ints["perm"]
	for i := range out {
		at := make([]int, len(x.Shape)) // index into x
		for r, j := i, len(perm)-1; j >= 0; j-- {
			at[perm[j]] = r % y.Shape[j]
			r /= y.Shape[j]
		}
		k := 0
		for j, v := range at {
			k = k*x.Shape[j] + v
		}
		out[i] = e.vals[x][k]
	}
}

// Package reference interprets a graph with plain loops: the oracle that the
// catalogue's models are checked against in the tests and before a campaign.
// Nothing in it is fast or clever; it shares no code with the writers.
//
// Values are real numbers in float32; sums run in float64. An int8 value is the
// real number its integer stands for: after each operator the result is rounded
// to the value's grid, as static quantisation does, and weights are rounded to
// theirs. 16-bit floats are rounded to their grid likewise.
package reference

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/half"
)

// Run computes every value of the graph from the inputs, by name, row-major. The
// result holds all activations by name.
func Run(g *graph.Graph, inputs map[string][]float32) (map[string][]float32, error) {
	e := &env{vals: map[*graph.Value][]float32{}}
	for _, v := range g.Inputs {
		x, ok := inputs[v.Name]
		if !ok || len(x) != v.Len() {
			return nil, fmt.Errorf("reference: input %s has %d elements, want %d", v.Name, len(x), v.Len())
		}
		e.set(v, x)
	}
	for _, v := range g.Weights {
		e.set(v, v.Data)
	}
	for _, n := range g.Nodes {
		if err := e.node(n); err != nil {
			return nil, fmt.Errorf("reference: node %s (%s): %w", n.Name, n.Op, err)
		}
	}
	out := map[string][]float32{}
	for v, x := range e.vals {
		out[v.Name] = x
	}
	return out, nil
}

type env struct{ vals map[*graph.Value][]float32 }

// set stores a value rounded to its number format.
func (e *env) set(v *graph.Value, x []float32) {
	y := make([]float32, len(x))
	for i, f := range x {
		y[i] = round(v, i, f)
	}
	e.vals[v] = y
}

// round is element i of v in v's number format.
func round(v *graph.Value, i int, f float32) float32 {
	switch v.DType {
	case graph.Float16:
		return half.ToFloat32(half.FromFloat32(f))
	case graph.BFloat16:
		return half.BToFloat32(half.BFromFloat32(f))
	case graph.Int8, graph.Uint8, graph.Int32:
		return float32(v.Dequantized(i, v.Quantized(i, f)))
	}
	return f
}

func clamp(act string, f float64) float64 {
	switch act {
	case "relu":
		return max(0, f)
	case "relu6":
		return min(6, max(0, f))
	}
	return f
}

// unary are the functions of one number.
var unary = map[string]func(float64) float64{
	graph.Relu:     func(x float64) float64 { return max(0, x) },
	graph.Relu6:    func(x float64) float64 { return min(6, max(0, x)) },
	graph.Sigmoid:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	graph.SiLU:     func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	graph.HSigmoid: func(x float64) float64 { return min(6, max(0, x+3)) / 6 },
	graph.HSwish:   func(x float64) float64 { return x * min(6, max(0, x+3)) / 6 },
	graph.Erf:      math.Erf,
	graph.Tanh:     math.Tanh,
	graph.Exp:      math.Exp,
	graph.Sqrt:     math.Sqrt,
	graph.Log:      math.Log,
	graph.Neg:      func(x float64) float64 { return -x },
	graph.Abs:      math.Abs,
	graph.Elu: func(x float64) float64 {
		if x < 0 {
			return math.Expm1(x)
		}
		return x
	},
	graph.Softplus:   softplus,
	graph.Reciprocal: func(x float64) float64 { return 1 / x },
	graph.Sin:        math.Sin,
	graph.Cos:        math.Cos,
	graph.Mish:       func(x float64) float64 { return x * math.Tanh(softplus(x)) },
	graph.Round:      math.RoundToEven,
	graph.GeluTanh: func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	},
	graph.Clip: func(x float64) float64 { return min(1, max(-1, x)) },
	graph.LeakyRelu: func(x float64) float64 {
		if x < 0 {
			return 0.01 * x
		}
		return x
	},
	graph.Gelu: func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) },
}

func softplus(x float64) float64 { return math.Log1p(math.Exp(x)) }

func (e *env) node(n *graph.Node) error {
	x, y := n.In[0], n.Out[0]
	a := e.vals[x]
	if a == nil {
		return fmt.Errorf("input %s is not computed yet", x.Name)
	}
	out := make([]float32, y.Len())
	if f, ok := unary[n.Op]; ok {
		for i := range a {
			out[i] = float32(f(float64(a[i])))
		}
		e.set(y, out)
		return nil
	}
	switch n.Op {
	case graph.Conv, graph.DWConv:
		e.conv(n, out)
	case graph.Deconv:
		e.deconv(n, out)
	case graph.Linear:
		w, b := e.vals[n.In[1]], e.vals[n.In[2]]
		rows, k, cols := x.Shape[0], x.Shape[1], y.Shape[1]
		dyn := a
		if n.Attrs.Strings["quant"] == graph.QuantDynamic {
			dyn = dynamic(a)
		}
		for r := range rows {
			for c := range cols {
				sum := float64(b[c])
				for i := range k {
					sum += float64(dyn[r*k+i]) * float64(w[c*k+i])
				}
				out[r*cols+c] = float32(clamp(n.Act(), sum))
			}
		}
	case graph.MatMul:
		e.matmul(n, out)
	case graph.Expand:
		for i := range out {
			out[i] = a[broadcast(i, y.Shape, x.Shape)]
		}
	case graph.Reduce:
		axis := n.Int("axis", len(x.Shape)-1)
		d, inner := x.Shape[axis], product(x.Shape[axis+1:])
		for i := range out {
			sum, top, low, prod, abs, squares := 0.0, math.Inf(-1), math.Inf(1), 1.0, 0.0, 0.0
			for j := range d {
				v := float64(a[(i/inner*d+j)*inner+i%inner])
				sum, top, low, prod, abs, squares = sum+v, max(top, v), min(low, v), prod*v, abs+math.Abs(v), squares+v*v
			}
			out[i] = float32(map[string]float64{"mean": sum / float64(d), "sum": sum, "max": top, "min": low, "prod": prod,
				"l1": abs, "l2": math.Sqrt(squares), "sumsquare": squares}[n.Attrs.Strings["op"]])
		}
	case graph.PRelu:
		for i := range a {
			out[i] = a[i]
			if a[i] < 0 {
				out[i] *= e.vals[n.In[1]][broadcast(i, y.Shape, n.In[1].Shape)]
			}
		}
	case graph.Pow:
		for i := range a {
			out[i] = float32(math.Pow(float64(a[i]), float64(n.Attrs.Floats["exponent"])))
		}
	case graph.DepthToSpace, graph.SpaceToDepth:
		deep, wide, from, to := x, y, a, out
		if n.Op == graph.SpaceToDepth {
			deep, wide, from, to = y, x, out, a
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
	case graph.InstanceNorm:
		area := product(x.Shape[2:])
		for i := 0; i < len(a); i += area {
			c := i / area % x.Shape[1]
			m := mean(a[i:i+area], nil)
			v := mean(a[i:i+area], func(u float64) float64 { return (u - m) * (u - m) })
			for j := i; j < i+area; j++ {
				out[j] = float32((float64(a[j])-m)/math.Sqrt(v+1e-5)*float64(e.vals[n.In[1]][c]) + float64(e.vals[n.In[2]][c]))
			}
		}
	case graph.BatchNorm:
		area := product(x.Shape[2:])
		for i := range out {
			c := i / area % x.Shape[1]
			p := func(k int) float64 { return float64(e.vals[n.In[k]][c]) }
			out[i] = float32((float64(a[i])-p(3))/math.Sqrt(p(4)+1e-5)*p(1) + p(2))
		}
	case graph.Pad:
		for i := range a {
			k, stride, r := 0, 1, i // the element's place in y
			for j := len(x.Shape) - 1; j >= 0; j-- {
				k += r % x.Shape[j] * stride
				r /= x.Shape[j]
				stride *= y.Shape[j]
			}
			out[k] = a[i]
		}
	case graph.Slice:
		axis := n.Int("axis", 1)
		row := product(y.Shape[axis:])
		for i := range out {
			out[i] = a[i/row*product(x.Shape[axis:])+i%row]
		}
	case graph.Add, graph.Mul, graph.Sub, graph.Div, graph.Min, graph.Max:
		b := e.vals[n.In[1]]
		for i := range out {
			u, v := float64(a[broadcast(i, y.Shape, x.Shape)]), float64(b[broadcast(i, y.Shape, n.In[1].Shape)])
			switch n.Op {
			case graph.Add:
				out[i] = float32(clamp(n.Act(), u+v))
			case graph.Sub:
				out[i] = float32(u - v)
			case graph.Div:
				out[i] = float32(u / v)
			case graph.Min:
				out[i] = float32(min(u, v))
			case graph.Max:
				out[i] = float32(max(u, v))
			default:
				out[i] = float32(u * v)
			}
		}
	case graph.GAP:
		area := x.Shape[2] * x.Shape[3]
		for i := range out {
			out[i] = float32(mean(a[i*area:(i+1)*area], nil))
		}
	case graph.Mean:
		inner := product(x.Shape[n.Int("axis", 1)+1:])
		size := x.Shape[n.Int("axis", 1)]
		for i := range out {
			var sum float64
			for j := range size {
				sum += float64(a[(i/inner*size+j)*inner+i%inner])
			}
			out[i] = float32(sum / float64(size))
		}
	case graph.MaxPool, graph.AvgPool:
		e.pool(n, out)
	case graph.Softmax:
		axis := n.Int("axis", len(x.Shape)-1)
		d, inner := x.Shape[axis], product(x.Shape[axis+1:])
		for i := range len(a) / d {
			e.softmax(a, out, i/inner*d*inner+i%inner, d, inner)
		}
	case graph.LayerNorm, graph.RMSNorm:
		d := x.Shape[len(x.Shape)-1]
		for i := 0; i < len(a); i += d {
			e.row(n, a[i:i+d], out[i:i+d])
		}
	case graph.Concat:
		axis := n.Int("axis", 1)
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
	case graph.Split:
		axis := n.Int("axis", 1)
		inner := product(x.Shape[axis+1:])
		start := 0
		for _, v := range n.Out {
			size := v.Shape[axis]
			part := make([]float32, v.Len())
			for i := range part {
				part[i] = a[(i/inner/size*x.Shape[axis]+start+i/inner%size)*inner+i%inner]
			}
			e.set(v, part)
			start += size
		}
		return nil
	case graph.Resize:
		e.resize(n, out)
	case graph.Transpose:
		perm := n.Attrs.Ints["perm"]
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
			out[i] = a[k]
		}
	case graph.Reshape, graph.Quantize, graph.Dequantize, graph.Cast:
		copy(out, a)
	default:
		return fmt.Errorf("unknown operator")
	}
	e.set(y, out)
	return nil
}

func product(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

func mean(x []float32, f func(float64) float64) float64 {
	var sum float64
	for _, v := range x {
		if f != nil {
			sum += f(float64(v))
		} else {
			sum += float64(v)
		}
	}
	return sum / float64(len(x))
}

// broadcast maps element i of a tensor of shape out to an operand of shape in,
// aligned at the last axis.
func broadcast(i int, out, in []int) int {
	k, stride := 0, 1
	for j := len(out) - 1; j >= 0; j-- {
		at := i % out[j]
		i /= out[j]
		if p := j - (len(out) - len(in)); p >= 0 {
			if in[p] > 1 {
				k += at * stride
			}
			stride *= in[p]
		}
	}
	return k
}

// dynamic rounds x to ONNX's DynamicQuantizeLinear: uint8 over its own range,
// which is widened to hold 0.
func dynamic(x []float32) []float32 {
	lo, hi := 0.0, 0.0
	for _, v := range x {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	s := (hi - lo) / 255
	if s == 0 {
		return x
	}
	zero := math.RoundToEven(min(255, max(0, -lo/s)))
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32((min(255, max(0, math.RoundToEven(float64(v)/s)+zero)) - zero) * s)
	}
	return out
}

func (e *env) conv(n *graph.Node, out []float32) {
	x, wt, y := n.In[0], n.In[1], n.Out[0]
	a, w, b := e.vals[x], e.vals[wt], e.vals[n.In[2]]
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		a = dynamic(a)
	}
	s, p, d := n.Attrs.Ints["strides"], n.Attrs.Ints["pads"], n.Attrs.Ints["dilations"]
	groups := n.Int("groups", 1)
	if n.Op == graph.DWConv {
		groups = y.Shape[1]
	}
	cin, h, wd := x.Shape[1], x.Shape[2], x.Shape[3]
	cout, kh, kw := y.Shape[1], wt.Shape[2], wt.Shape[3]
	per := cin / groups
	i := 0
	for img := range y.Shape[0] {
		for o := range cout {
			first := o / (cout / groups) * per
			for oy := range y.Shape[2] {
				for ox := range y.Shape[3] {
					sum := float64(b[o])
					for c := range per {
						for ky := range kh {
							iy := oy*s[0] - p[0] + ky*d[0]
							if iy < 0 || iy >= h {
								continue
							}
							for kx := range kw {
								ix := ox*s[1] - p[1] + kx*d[1]
								if ix < 0 || ix >= wd {
									continue
								}
								sum += float64(a[((img*cin+first+c)*h+iy)*wd+ix]) * float64(w[((o*per+c)*kh+ky)*kw+kx])
							}
						}
					}
					out[i] = float32(clamp(n.Act(), sum))
					i++
				}
			}
		}
	}
}

// deconv spreads each input element over the outputs it reaches.
func (e *env) deconv(n *graph.Node, out []float32) {
	x, wt, y := n.In[0], n.In[1], n.Out[0]
	a, w, b := e.vals[x], e.vals[wt], e.vals[n.In[2]]
	s, p := n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	cin, h, wd := x.Shape[1], x.Shape[2], x.Shape[3]
	cout, oh, ow := y.Shape[1], y.Shape[2], y.Shape[3]
	kh, kw := wt.Shape[2], wt.Shape[3]
	groups := n.Int("groups", 1)
	per := cout / groups // outputs of a group
	sum := make([]float64, len(out))
	for i := range sum {
		sum[i] = float64(b[i/(oh*ow)%cout])
	}
	for img := range x.Shape[0] {
		for c := range cin {
			for iy := range h {
				for ix := range wd {
					v := float64(a[((img*cin+c)*h+iy)*wd+ix])
					for o := range per {
						for ky := range kh {
							for kx := range kw {
								oy, ox := iy*s[0]-p[0]+ky, ix*s[1]-p[1]+kx
								if oy >= 0 && oy < oh && ox >= 0 && ox < ow {
									sum[((img*cout+c/(cin/groups)*per+o)*oh+oy)*ow+ox] += v * float64(w[((c*per+o)*kh+ky)*kw+kx])
								}
							}
						}
					}
				}
			}
		}
	}
	for i, v := range sum {
		out[i] = float32(clamp(n.Act(), v))
	}
}

func (e *env) matmul(n *graph.Node, out []float32) {
	x, z := n.In[0], n.In[1]
	a, b := e.vals[x], e.vals[z]
	r := len(x.Shape)
	m, k, cols := x.Shape[r-2], x.Shape[r-1], n.Out[0].Shape[r-1]
	alpha := float64(1)
	if v, ok := n.Attrs.Floats["alpha"]; ok {
		alpha = float64(v)
	}
	trans := n.Int("transb", 0) == 1
	for i := range out {
		batch, row, col := i/(m*cols), i/cols%m, i%cols
		var sum float64
		for j := range k {
			at := (batch*k+j)*cols + col
			if trans {
				at = (batch*cols+col)*k + j
			}
			sum += float64(a[(batch*m+row)*k+j]) * float64(b[at])
		}
		out[i] = float32(alpha * sum)
	}
}

func (e *env) pool(n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	a := e.vals[x]
	k, s, p := n.Attrs.Ints["kernel"], n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	h, w := x.Shape[2], x.Shape[3]
	for i := range out {
		ox, oy, plane := i%y.Shape[3], i/y.Shape[3]%y.Shape[2], i/(y.Shape[2]*y.Shape[3])
		best, sum, count := math.Inf(-1), 0.0, 0
		for ky := range k[0] {
			for kx := range k[1] {
				iy, ix := oy*s[0]-p[0]+ky, ox*s[1]-p[1]+kx
				if iy < 0 || iy >= h || ix < 0 || ix >= w {
					continue
				}
				v := float64(a[(plane*h+iy)*w+ix])
				best, sum, count = max(best, v), sum+v, count+1
			}
		}
		out[i] = float32(best)
		if n.Op == graph.AvgPool {
			out[i] = float32(sum / float64(count))
		}
	}
}

// softmax over d elements of x from the first one on, stride apart.
func (e *env) softmax(x, out []float32, first, d, stride int) {
	top, total := math.Inf(-1), 0.0
	for i := range d {
		top = max(top, float64(x[first+i*stride]))
	}
	for i := range d {
		total += math.Exp(float64(x[first+i*stride]) - top)
	}
	for i := range d {
		out[first+i*stride] = float32(math.Exp(float64(x[first+i*stride])-top) / total)
	}
}

// row normalises one row over its last axis.
func (e *env) row(n *graph.Node, x, out []float32) {
	gamma, eps, mu := e.vals[n.In[1]], float64(n.Attrs.Floats["eps"]), 0.0
	if n.Op == graph.LayerNorm {
		mu = mean(x, nil)
	}
	sd := math.Sqrt(mean(x, func(v float64) float64 { return (v - mu) * (v - mu) }) + eps)
	for i, v := range x {
		out[i] = float32((float64(v) - mu) / sd * float64(gamma[i]))
		if n.Op == graph.LayerNorm {
			out[i] += e.vals[n.In[2]][i]
		}
	}
}

func (e *env) resize(n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	a := e.vals[x]
	h, w := x.Shape[2], x.Shape[3]
	for i := range out {
		ox, oy, plane := i%y.Shape[3], i/y.Shape[3]%y.Shape[2], i/(y.Shape[2]*y.Shape[3])
		at := func(iy, ix int) float64 {
			return float64(a[(plane*h+min(h-1, max(0, iy)))*w+min(w-1, max(0, ix))])
		}
		if n.Attrs.Strings["mode"] == "nearest" {
			out[i] = float32(at(oy*h/y.Shape[2], ox*w/y.Shape[3]))
			continue
		}
		sy, sx := (float64(oy)+0.5)*float64(h)/float64(y.Shape[2])-0.5, (float64(ox)+0.5)*float64(w)/float64(y.Shape[3])-0.5
		iy, ix := int(math.Floor(sy)), int(math.Floor(sx))
		ty, tx := sy-float64(iy), sx-float64(ix)
		if n.Attrs.Strings["mode"] == "cubic" {
			var sum float64
			for dy := -1; dy <= 2; dy++ {
				for dx := -1; dx <= 2; dx++ {
					sum += keys(ty-float64(dy)) * keys(tx-float64(dx)) * at(iy+dy, ix+dx)
				}
			}
			out[i] = float32(sum)
			continue
		}
		out[i] = float32((1-ty)*((1-tx)*at(iy, ix)+tx*at(iy, ix+1)) + ty*((1-tx)*at(iy+1, ix)+tx*at(iy+1, ix+1)))
	}
}

// keys is the cubic convolution kernel (Keys 1981) with a = −¾.
func keys(t float64) float64 {
	const a = -0.75
	t = math.Abs(t)
	switch {
	case t <= 1:
		return ((a+2)*t-(a+3))*t*t + 1
	case t < 2:
		return ((a*t-5*a)*t+8*a)*t - 4*a
	}
	return 0
}

package reference

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

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

func (e *env) gap(n *graph.Node, out []float32) {
	x := n.In[0]
	area := x.Shape[2] * x.Shape[3]
	for i := range out {
		out[i] = float32(mean(e.vals[x][i*area:(i+1)*area], nil))
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

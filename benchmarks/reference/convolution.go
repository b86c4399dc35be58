package reference

import "github.com/isocost/isocost/benchmarks/graph"

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

package search

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// planted is a made-up space with a known utility and a rugged cost.
type planted struct {
	layers, choices, widths int
	precisions              []lut.Precision
	global                  bool
	seed                    uint64
	inversions              float64 // how far costs leave monotony, as a share
	spread                  float64 // of the utilities of choices
	common                  float64 // share of the noise's variance that all have at a seed
	// opposed turns the common noise round for every other choice of layer 0.
	opposed bool
	// bias of low fidelities: differences are off by up to bias·(1−fidelity). sly
	// hides what is good: all above the anchor's utility are put down, all below up.
	bias float64
	sly  bool
}

func (p *planted) Name() string { return "planted" }
func (p *planted) Hash() string { return fmt.Sprintf("%064x", p.seed) }
func (p *planted) Layers() int  { return p.layers }
func (p *planted) Choices(int) []string {
	return []string{"a", "b", "c", "d", "e", "f", "g", "h"}[:p.choices]
}
func (p *planted) Widths(int) int { return p.widths }
func (p *planted) WidthRatio(_, i int) float64 {
	return 1 + 0.25*float64(i-p.widths/2) // s = 1 in the middle
}
func (p *planted) GlobalWidth() bool              { return p.global }
func (p *planted) Precisions(int) []lut.Precision { return p.precisions }
func (p *planted) Default() space.Arch {
	var a space.Arch
	for range p.layers {
		l := space.Layer{Choice: "a", Width: p.widths / 2}
		if len(p.precisions) > 0 {
			l.Precision = p.precisions[0]
		}
		a.Layers = append(a.Layers, l)
	}
	return a
}
func (p *planted) Validate(a space.Arch) error {
	if len(a.Layers) != p.layers {
		return fmt.Errorf("%d layers", len(a.Layers))
	}
	return nil
}

// draw is a number in [0, 1) that depends on its arguments alone (splitmix64 of
// each in turn).
func (p *planted) draw(args ...uint64) float64 {
	h := p.seed
	for _, a := range args {
		h += a + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return float64(h>>11) / (1 << 53)
}

// choice is a layer's choice as a number.
func choice(x space.Layer) uint64 { return uint64(x.Choice[0]) }

// Cost is additive: choices cost differently, widths in proportion but for the
// inversions.
func (p *planted) Cost(a space.Arch) (Bounds, error) {
	sum := 5.0
	for l, x := range a.Layers {
		c := (1 + 0.5*p.draw(1, uint64(l), choice(x))) * p.WidthRatio(l, x.Width)
		c *= 1 + p.inversions*(p.draw(2, uint64(l), choice(x), uint64(x.Width), uint64(len(x.Precision)), uint64(strings.Count(string(x.Precision), "i")))-0.5)
		if x.Precision == lut.INT8 {
			c *= 0.7
		}
		sum += c
	}
	return Bounds{sum, sum * 0.99, sum * 1.01}, nil
}

// utility is additive over layers with a small interaction, so that local optima
// exist.
func (p *planted) utility(a space.Arch) float64 {
	u := 0.0
	for l, x := range a.Layers {
		u += p.spread * p.draw(3, uint64(l), choice(x))
		if l > 0 {
			u += 0.5 * p.spread * p.draw(4, uint64(l), choice(a.Layers[l-1]), choice(x))
		}
		if x.Width != 0 {
			u += 0.1 * p.spread * p.WidthRatio(l, x.Width)
		}
	}
	return u
}

// noise is unit Gaussian noise, some of it common to all architectures at a seed.
func (p *planted) noise(r Request) float64 {
	shared := rand.New(rand.NewPCG(r.Seed, 5)).NormFloat64()
	if p.common == 0 {
		shared = 0
	}
	if p.opposed && choice(r.Arch.Layers[0])%2 == 0 {
		shared = -shared
	}
	h := fnv.New64()
	io.WriteString(h, r.Key)
	alone := rand.New(rand.NewPCG(r.Seed, h.Sum64())).NormFloat64()
	return math.Sqrt(p.common)*shared + math.Sqrt(1-p.common)*alone
}

// shift is the bias of a request's fidelity.
func (p *planted) shift(r Request) float64 {
	half := p.bias / 2 * (1 - r.Fidelity)
	if half == 0 {
		return 0
	}
	if p.sly {
		if p.utility(r.Arch) > p.utility(p.Default()) {
			return -half
		}
		return half
	}
	h := fnv.New64()
	io.WriteString(h, r.Key)
	return half * (2*float64(h.Sum64()>>11)/(1<<53) - 1)
}

// noisy answers with the utility and unit Gaussian noise.
func (p *planted) noisy(_ context.Context, reqs []Request) ([]Outcome, error) {
	out := make([]Outcome, len(reqs))
	for i, r := range reqs {
		out[i].Utility = p.utility(r.Arch) + p.noise(r) + p.shift(r)
	}
	return out, nil
}

func (p *planted) problem(tau float64) Problem {
	x := p.Default()
	b, err := p.Cost(x)
	if err != nil {
		panic(err)
	}
	band, err := NewBand("planted", p, b, tau)
	if err != nil {
		panic(err)
	}
	return Problem{Space: p, Bands: []Band{band}, Anchor: x}
}

// inBand is the band's definition, written again.
func (p *planted) inBand(a space.Arch, budget, tau float64) bool {
	c, _ := p.Cost(a)
	return math.Abs(math.Log(c.Value/budget)) <= math.Log(1+tau)+1e-9
}

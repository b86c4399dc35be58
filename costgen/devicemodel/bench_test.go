package devicemodel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

// public are the kernels of the census's networks in fp32, and a network of about 60 of them.
func public(b *testing.B) (ops []lut.Op, network []Term) {
	b.Helper()
	c, err := census.Default()
	if err != nil {
		b.Fatal(err)
	}
	c = c.Of([]lut.Precision{lut.FP32})
	for _, k := range c.Kernels() {
		ops = append(ops, k.Op)
	}
	for i := range c.Networks {
		if terms := Terms(c.Networks[i].Kernels); len(terms) >= 58 && len(terms) <= 62 {
			return ops, terms
		}
	}
	b.Fatal("no network of 60 kernels")
	return nil, nil
}

// device measures kernels of the census, and sums of twelve of them, of six families.
func device(b *testing.B, kernels, sums int) ([]Observation, []Term) {
	ops, net := public(b)
	r := rand.New(rand.NewPCG(1, 1))
	var obs []Observation
	for range kernels {
		op := ops[r.IntN(len(ops))]
		us := truth(op)
		obs = append(obs, One(op, us*(1+0.02*r.NormFloat64()), 0.02*us))
	}
	for i := range sums {
		o := Observation{Family: string(rune('a' + i%6))}
		for range 12 {
			op := ops[r.IntN(len(ops))]
			o.Terms = append(o.Terms, Term{op, 1})
			o.Value += truth(op)
		}
		o.StdErr = 0.01 * o.Value
		obs = append(obs, o)
	}
	return obs, net
}

// campaigns are what models are learned of: 2,000 kernels, and a build of ten minutes on a noisy host.
var campaigns = []struct{ kernels, sums int }{{2000, 0}, {500, 800}}

// BenchmarkFit learns a device, conformal refits included; the aim is 20 s of processor time.
func BenchmarkFit(b *testing.B) {
	for _, c := range campaigns {
		b.Run(fmt.Sprintf("%d+%d", c.kernels, c.sums), func(b *testing.B) {
			obs, _ := device(b, c.kernels, c.sums)
			for b.Loop() {
				fitted(b, obs)
			}
		})
	}
}

// BenchmarkPrice prices a public network of 60 kernels with its joint interval; the aim is 200 µs. Known
// kernels were priced before, as a search and a build price them; new ones never were. Shares are
// what the report shows beside.
func BenchmarkPrice(b *testing.B) {
	for _, c := range campaigns {
		obs, net := device(b, c.kernels, c.sums)
		m := fitted(b, obs)
		name := fmt.Sprintf("%d+%d", c.kernels, c.sums)
		b.Run("known/"+name, func(b *testing.B) {
			m.Total(net)
			for b.Loop() {
				m.Total(net)
			}
		})
		b.Run("new/"+name, func(b *testing.B) {
			for b.Loop() {
				m.cache.at = nil
				m.Total(net)
			}
		})
		b.Run("shares/"+name, func(b *testing.B) {
			m.Price(net)
			for b.Loop() {
				m.Price(net)
			}
		})
	}
}

// BenchmarkRead reads a table with a model; the aims are 100 ms and 5 MB.
func BenchmarkRead(b *testing.B) {
	for _, c := range campaigns {
		b.Run(fmt.Sprintf("%d+%d", c.kernels, c.sums), func(b *testing.B) {
			obs, _ := device(b, c.kernels, c.sums)
			m := fitted(b, obs)
			t, err := lut.New(lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: lut.PolicyRaw, Model: m.Data()})
			if err != nil {
				b.Fatal(err)
			}
			data := t.Encode()
			for b.Loop() {
				t, err := lut.Decode(data)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := FromData(t.File().Model); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data))/1e6, "MB")
		})
	}
}

package devicemodel

import (
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
)

// BenchmarkFit learns a device from 2,000 kernels; the aim is 20 s.
func BenchmarkFit(b *testing.B) {
	obs := campaign(rand.New(rand.NewPCG(1, 1)), 2000, 0.02)
	for b.Loop() {
		fitted(b, obs)
	}
}

// BenchmarkPrice prices a network of 60 kernels with its joint interval; the aim is 200 µs. Known
// kernels were priced before, as a search and a build price them; new ones were not, and take
// some 30 µs each the first time.
func BenchmarkPrice(b *testing.B) {
	r := rand.New(rand.NewPCG(2, 2))
	m := fitted(b, campaign(r, 2000, 0.02))
	terms, _ := network(r, 60)
	b.Run("known", func(b *testing.B) {
		m.Price(terms)
		for b.Loop() {
			m.Price(terms)
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			m.cache.at = nil
			m.Price(terms)
		}
	})
}

// BenchmarkRead reads a table whose model was learned from 2,000 kernels; the aims are 100 ms and 5 MB.
func BenchmarkRead(b *testing.B) {
	m := fitted(b, campaign(rand.New(rand.NewPCG(3, 3)), 2000, 0.02))
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
}

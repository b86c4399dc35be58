package ortmemory_test

import (
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/ortmemory"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/lut"
)

// writtenPeak is the peak of a chain by the long way: its model written with weights,
// encoded, read back and priced.
func writtenPeak(tb testing.TB, chain benchmarks.Chain) int64 {
	tb.Helper()
	g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Batch: 1})
	if err != nil {
		tb.Fatal(err)
	}
	data, err := onnxwriter.Write(g)
	if err != nil {
		tb.Fatal(err)
	}
	net, err := onnxreader.Read(data, onnxreader.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return net.PeakBytes
}

func parse(tb testing.TB, key string) lut.Op {
	tb.Helper()
	op, err := lut.ParseOp(key)
	if err != nil {
		tb.Fatal(err)
	}
	return op
}

// mobile is a MobileNetV2 of width 1 (Sandler et al. 2018, table 2) for 224×224 pixels.
func mobile(tb testing.TB, p lut.Precision) benchmarks.Chain {
	tb.Helper()
	c := benchmarks.Chain{parse(tb, "conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=32,h=224,w=224")}
	side, in := 112, 32
	for _, row := range []struct{ t, c, n, s int }{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range row.n {
			s := 1
			if i == 0 {
				s = row.s
			}
			res := map[bool]string{true: "1", false: "0"}[s == 1 && in == row.c]
			attrs := map[string]string{"act": "relu6", "k": "3", "s": map[int]string{1: "1", 2: "2"}[s], "res": res}
			if res == "0" {
				delete(attrs, "res")
			}
			c = append(c, lut.NewOp("mbconv", p, attrs, map[string]int{"h": side, "w": side, "cin": in, "mid": row.t * in, "cout": row.c}))
			side, in = (side+s-1)/s, row.c
		}
	}
	c = append(c, parse(tb, "conv[act=relu6,k=1,s=1]/fp32@cin=320,cout=1280,h=7,w=7"), parse(tb, "gap/fp32@c=1280,h=7,w=7"), parse(tb, "linear/fp32@cin=1280,cout=1000,m=1"))
	for i := range c {
		c[i] = c[i].WithPrecision(p)
	}
	return c
}

// Law: the peak of a chain is that of its model as written, to the byte.
func TestChainPeakIsThatOfTheWrittenModel(t *testing.T) {
	var chains []benchmarks.Chain
	for _, p := range []lut.Precision{lut.FP32, lut.FP16, lut.INT8, lut.INT8Dyn} {
		chains = append(chains, mobile(t, p))
	}
	for _, family := range benchmarks.GridFamilies() {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
			grid, err := benchmarks.Grid(family, p)
			if err != nil {
				t.Fatal(err)
			}
			if len(grid) > 0 {
				chains = append(chains, benchmarks.Chain(grid[:1]))
			}
		}
	}
	compared := 0
	for _, c := range chains {
		want := writtenPeak(t, c)
		got, err := ortmemory.ChainPeak(c, 1, ortmodel.Target{}, nil)
		if want == 0 {
			if err == nil {
				t.Errorf("%v: %d bytes, and the written model's peak is not known", c, got)
			}
			continue
		}
		if compared++; err != nil || got != want {
			t.Errorf("%v: %d bytes (%v), the written model's %d", c, got, err, want)
		}
	}
	if compared < 20 {
		t.Errorf("only %d chains compared", compared)
	}
}

// Both ways to the same number side by side: what a search by a memory table pays for
// each candidate.
func BenchmarkPeakOfAChain(b *testing.B) {
	chain := mobile(b, lut.FP32)
	b.Run("planned from the graph", func(b *testing.B) {
		for b.Loop() {
			if _, err := ortmemory.ChainPeak(chain, 1, ortmodel.Target{}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("written and read back", func(b *testing.B) {
		for b.Loop() {
			writtenPeak(b, chain)
		}
	})
}

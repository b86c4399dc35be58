package costgen

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// million makes n records of a made-up device: 5 records a cell, 250 cells a
// family, costs along three axes with 1 % noise.
func million(n int) Source {
	rng := rand.New(rand.NewPCG(1, 1))
	s := Source{Name: "million", Header: testHeader(), Records: make([]Line, 0, n)}
	for f := 0; len(s.Records) < n; f++ {
		attrs := map[string]string{"k": strconv.Itoa(f), "s": "1"}
		for cin := 1; cin <= 5; cin++ {
			for cout := 1; cout <= 10; cout++ {
				for h := 1; h <= 5; h++ {
					op := lut.NewOp("conv", lut.FP32, attrs, map[string]int{"cin": 8 * cin, "cout": 8 * cout, "h": 7 * h, "w": 7 * h})
					id := fmt.Sprintf("%d-%d-%d-%d", f, cin, cout, h)
					for range 5 {
						if len(s.Records) == n {
							return s
						}
						v := float64(cin*cout*h*h) * (1 + 0.01*rng.NormFloat64())
						ci := record.Interval{v * 0.98, v * 1.02}
						s.Records = append(s.Records, Line{len(s.Records) + 2, record.Record{Kind: role.Cell, Case: id, Key: &op,
							Validity: []record.Validity{record.OK}, EstimateUS: &v, CI95US: &ci, N: 60}})
					}
				}
			}
		}
	}
	return s
}

// BenchmarkCompileMillion compiles a million records; the product's bound is 2 s.
func BenchmarkCompileMillion(b *testing.B) {
	s := million(1_000_000)
	for b.Loop() {
		if _, err := Compile(b.Context(), []Source{s}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPredict prices a network of 60 kernels; the bound is 20 µs.
func BenchmarkPredict(b *testing.B) {
	d := newDevice(1, 0.01)
	t, err := Compile(b.Context(), []Source{d.source(40, 0)}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	ops := d.ops()
	var kernels []Kernel
	for i := range 60 {
		op := ops[(i*37)%len(ops)]
		if i%4 == 0 { // between the knots
			op = op.With("cout", 12).With("cin", 20)
		}
		kernels = append(kernels, Kernel{"node" + strconv.Itoa(i), op})
	}
	b.ReportAllocs()
	for b.Loop() {
		if p, err := Predict(t, "net", kernels, nil, false); err != nil || p.Total == nil {
			b.Fatal(err)
		}
	}
}

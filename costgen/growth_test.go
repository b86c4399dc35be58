package costgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// cells makes n cells in families of perFamily, a record each: a made-up device whose costs
// grow along three axes, with 1 % noise.
func cells(n, perFamily int) Source {
	rng := rand.New(rand.NewPCG(1, 1))
	s := Source{Name: "cells", Header: testHeader()}
	side := int(math.Ceil(math.Cbrt(float64(perFamily))))
	for f := 0; ; f++ {
		for i := range perFamily {
			if len(s.Records) == n {
				return s
			}
			cin, cout, h := 1+i%side, 1+i/side%side, 1+i/(side*side)
			op := lut.NewOp("conv", lut.FP32, map[string]string{"k": strconv.Itoa(f), "s": "1"}, map[string]int{"cin": 8 * cin, "cout": 8 * cout, "h": 7 * h, "w": 7 * h})
			v := float64(cin*cout*h*h) * (1 + 0.01*rng.NormFloat64())
			ci := record.Interval{v * 0.98, v * 1.02}
			s.Records = append(s.Records, Line{len(s.Records) + 2, record.Record{Kind: role.Cell, Case: fmt.Sprintf("%d-%d", f, i), Key: &op,
				Validity: []record.Validity{record.OK}, EstimateUS: &v, CI95US: &ci, N: 60}})
		}
	}
}

// BenchmarkCompileCells shows how compiling grows with the cells, of many small families
// and of few large ones.
func BenchmarkCompileCells(b *testing.B) {
	for _, perFamily := range []int{250, 5_000, 100_000} {
		for _, n := range []int{10_000, 100_000} {
			if perFamily > n {
				continue
			}
			b.Run(fmt.Sprintf("%d in families of %d", n, perFamily), func(b *testing.B) {
				s := cells(n, perFamily)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Compile(b.Context(), []Source{s}, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCompileSawtooth is of one family in which every other step along an axis falls
// significantly, as where a runtime pads widths.
func BenchmarkCompileSawtooth(b *testing.B) {
	for _, n := range []int{1_000, 4_000, 16_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := cells(n, n)
			for i := range s.Records {
				r := &s.Records[i].Record
				cin := 0
				for _, c := range r.Key.At {
					if c.Axis == "cin" {
						cin = c.Value / 8
					}
				}
				if cin%2 == 1 {
					v := *r.EstimateUS * 3
					r.EstimateUS, r.CI95US = &v, &record.Interval{v * 0.98, v * 1.02}
				}
			}
			for b.Loop() {
				if _, err := Compile(b.Context(), []Source{s}, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/isocost/isocost/internal/isotonic"
)

// floats reads a file of little-endian numbers of double precision, which the other side wrote.
func floats(path string) ([]float64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(data)/8)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
	}
	return out, nil
}

// compared returns the time f took and the distance of its result from the one on file.
func compared(path string, f func() []float64) (answer, error) {
	want, err := floats(path)
	if err != nil {
		return nil, err
	}
	var got []float64
	s, _ := spent(func() error { got = f(); return nil })
	if len(got) != len(want) {
		return nil, fmt.Errorf("%d values, %s has %d", len(got), path, len(want))
	}
	worst := 0.0
	for i := range got {
		worst = max(worst, math.Abs(got[i]-want[i]))
	}
	return answer{"s": s, "differs": worst}, nil
}

// isotonicChain is weighted isotonic regression on a line: args are the files of values,
// weights and the other side's result.
func isotonicChain(args []string) (answer, error) {
	y, w, err := valuesAndWeights(args)
	if err != nil {
		return nil, err
	}
	return compared(args[2], func() []float64 { return isotonic.Chain(y, w) })
}

// isotonicProduct is that on a cube of so many points a side, the fourth argument.
func isotonicProduct(args []string) (answer, error) {
	y, w, err := valuesAndWeights(args)
	if err != nil {
		return nil, err
	}
	side, err := number(args, 3)
	if err != nil {
		return nil, err
	}
	var at [][]int
	for i := range y {
		at = append(at, []int{i / (side * side), i / side % side, i % side})
	}
	return compared(args[2], func() []float64 {
		x, _ := isotonic.Product(context.Background(), y, w, at, nil) // fails only when its context ends
		return x
	})
}

func valuesAndWeights(args []string) (y, w []float64, err error) {
	if len(args) < 3 {
		return nil, nil, fmt.Errorf("want files of values, weights and a result, not %q", args)
	}
	if y, err = floats(args[0]); err != nil {
		return nil, nil, err
	}
	w, err = floats(args[1])
	return y, w, err
}

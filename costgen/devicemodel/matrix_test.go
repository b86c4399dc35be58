package devicemodel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A sum by whichever instructions is to the bit the loop's, and writes nothing beyond it.
func TestAxpy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 35 {
		x, y := make([]float64, n), make([]float64, n+9)
		for i := range y {
			y[i] = rng.NormFloat64()
		}
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		f, want := rng.NormFloat64(), slices.Clone(y)
		for i, v := range x {
			want[i] += f * v
		}
		if axpy(f, x, y); !slices.Equal(y, want) {
			t.Errorf("of %d numbers %v, want %v", n, y, want)
		}
	}
}

// Squares by whichever instructions are to the bit the loop's.
func TestSquare(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 0; n <= 32; n += 8 {
		x, y := make([]float64, n), make([]float64, n+9)
		for i := range x {
			x[i], y[i] = rng.NormFloat64(), rng.Float64()
		}
		f, want := rng.NormFloat64(), slices.Clone(y)
		for i, v := range x {
			want[i] += float64((f - v) * (f - v))
		}
		if square(f, x, y); !slices.Equal(y, want) {
			t.Errorf("of %d numbers %v, want %v", n, y, want)
		}
	}
}

// lengths are what solving one by one gives.
func TestLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	const n = 21
	l := newMatrix(n, n)
	for i := range n {
		for j := range i {
			l.row(i)[j] = rng.NormFloat64() / n
		}
		l.row(i)[i] = 1 + rng.Float64()
	}
	var bs [][]float64
	for range 2*16 + 3 {
		b := make([]float64, n)
		for i := range b {
			b[i] = rng.NormFloat64()
		}
		bs = append(bs, b)
	}
	got := l.lengths(bs)
	for k, b := range bs {
		z := slices.Clone(b)
		l.solve(z)
		if want := dot(z, z); math.Abs(got[k]-want) > 1e-12*want {
			t.Errorf("the %d-th is %v long, want %v", k, got[k], want)
		}
	}
}

func TestDecay(t *testing.T) {
	for r := 0.0; r <= math.Sqrt(5*farthest); r += 0.0013 {
		if want := math.Exp(-r); math.Abs(decay(r)-want) > 1e-13*want {
			t.Fatalf("of %v: %v, want %v", r, decay(r), want)
		}
	}
	if r := math.Sqrt(5 * float64(farthest)); math.Abs(decay(r)/math.Exp(-r)-1) > 1e-13 {
		t.Errorf("at the end: %v", decay(r))
	}
}

package half

import (
	"math"
	"testing"
)

func TestEveryHalfSurvives(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := ToFloat32(h)
		if f != f {
			if g := ToFloat32(FromFloat32(f)); g == g {
				t.Fatalf("%#04x: NaN became %v", h, g)
			}
		} else if got := FromFloat32(f); got != h {
			t.Fatalf("binary16 %#04x -> %v -> %#04x", h, f, got)
		}
		if f := BToFloat32(h); f == f {
			if got := BFromFloat32(f); got != h {
				t.Fatalf("bfloat16 %#04x -> %v -> %#04x", h, f, got)
			}
		}
	}
}

// TestRoundsToNearest takes the midpoint of every pair of neighbours and the
// numbers beside it.
func TestRoundsToNearest(t *testing.T) {
	for i := range 0x7bff {
		h := uint16(i)
		lo, hi := ToFloat32(h), ToFloat32(h+1)
		mid := (lo + hi) / 2 // exact in float32
		even := h + h&1
		for _, c := range []struct {
			f    float32
			want uint16
		}{{mid, even}, {math.Nextafter32(mid, lo), h}, {math.Nextafter32(mid, hi), h + 1}, {-mid, even | 0x8000}} {
			if got := FromFloat32(c.f); got != c.want {
				t.Fatalf("FromFloat32(%v) = %#04x, want %#04x", c.f, got, c.want)
			}
		}
	}
	for _, c := range []struct {
		f    float32
		want uint16
	}{{65520, 0x7c00}, {65519, 0x7bff}, {1e30, 0x7c00}, {1e-30, 0}, {float32(math.Inf(-1)), 0xfc00}} {
		if got := FromFloat32(c.f); got != c.want {
			t.Errorf("FromFloat32(%v) = %#04x, want %#04x", c.f, got, c.want)
		}
	}
	// 1 + 2^-8 lies halfway between two bfloat16 numbers; 1 is the even one.
	if got := BFromFloat32(1 + 1.0/256); got != 0x3f80 {
		t.Errorf("BFromFloat32(1+2^-8) = %#04x, want 0x3f80", got)
	}
	if got := BFromFloat32(1 + 3.0/256); got != 0x3f82 {
		t.Errorf("BFromFloat32(1+3·2^-8) = %#04x, want 0x3f82", got)
	}
}

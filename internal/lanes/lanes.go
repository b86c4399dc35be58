// Package lanes works on sixteen rows of numbers at once, as solving by a triangular matrix
// for many right-hand sides does.
package lanes

// Lanes are numbers of several rows that are worked on at once: each comes out to the bit as
// alone, but none waits for the last of its own.
type Lanes [Count]float64

// Count is how many rows there are.
const Count = 16

// Subtract takes Σ l[m]·v[m] off, in the order of m.
func (s *Lanes) Subtract(l []float64, v []Lanes) {
	v = v[:len(l)]
	if !wide {
		s.half(0, l, v)
		s.half(8, l, v)
		return
	}
	subtractWide(s, l, v)
}

// half is Subtract of eight lanes from the given one, which are as many as there are registers for.
func (s *Lanes) half(from int, l []float64, v []Lanes) {
	t := s[from : from+8 : from+8]
	a, b, c, d, e, f, g, h := t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]
	for m, x := range l {
		w := v[m][from : from+8 : from+8]
		a -= float64(x * w[0])
		b -= float64(x * w[1])
		c -= float64(x * w[2])
		d -= float64(x * w[3])
		e -= float64(x * w[4])
		f -= float64(x * w[5])
		g -= float64(x * w[6])
		h -= float64(x * w[7])
	}
	copy(t, []float64{a, b, c, d, e, f, g, h})
}

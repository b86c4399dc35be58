package explore

// lanes are numbers of several rows that are worked on at once: each comes out to the bit as
// alone, but none waits for the last of its own.
type lanes [8]float64

// subtract takes Σ l[m]·v[m] off, in the order of m.
func (s *lanes) subtract(l []float64, v []lanes) {
	a, b, c, d, e, f, g, h := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	v = v[:len(l)]
	for m, x := range l {
		w := &v[m]
		a -= float64(x * w[0])
		b -= float64(x * w[1])
		c -= float64(x * w[2])
		d -= float64(x * w[3])
		e -= float64(x * w[4])
		f -= float64(x * w[5])
		g -= float64(x * w[6])
		h -= float64(x * w[7])
	}
	*s = lanes{a, b, c, d, e, f, g, h}
}

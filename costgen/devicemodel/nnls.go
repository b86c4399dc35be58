package devicemodel

// nonNegative minimises ½θᵀAθ − bᵀθ over θ ≥ 0 by cyclic coordinate descent (Franc, Hlaváč and
// Navara 2005), which needs no more than A's rows. A is symmetric with a positive diagonal.
func nonNegative(a matrix, b []float64) []float64 {
	theta, grad := make([]float64, a.n), make([]float64, a.n)
	for i, v := range b {
		grad[i] = -v
	}
	for range 3000 {
		moved := 0.0
		for i := range a.n {
			r := a.row(i)
			next := max(0, theta[i]-grad[i]/r[i])
			if d := next - theta[i]; d != 0 {
				axpy(d, r, grad)
				theta[i] = next
				moved = max(moved, d*d*r[i])
			}
		}
		if moved < 1e-14 {
			break
		}
	}
	return theta
}

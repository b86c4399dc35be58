package agent

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/record"
)

// CompareTensors compares outputs element by element. RelRMS is the root mean
// square of the differences over the root mean square of want; it is +Inf where
// an output is not finite and the reference is. Shapes must agree.
func CompareTensors(got, want []Tensor) (record.Numeric, error) {
	var n record.Numeric
	if len(got) != len(want) {
		return n, fmt.Errorf("%d outputs where the reference has %d", len(got), len(want))
	}
	var se, ss float64
	var count int
	for i := range got {
		a, err := got[i].Floats()
		if err != nil {
			return n, err
		}
		b, err := want[i].Floats()
		if err != nil {
			return n, err
		}
		if len(a) != len(b) {
			return n, fmt.Errorf("output %d has %d elements where the reference has %d", i, len(a), len(b))
		}
		for j := range a {
			d := math.Abs(a[j] - b[j])
			if a[j] == b[j] || math.IsNaN(a[j]) && math.IsNaN(b[j]) {
				d = 0
			}
			if math.IsNaN(d) {
				d = math.Inf(1)
			}
			n.MaxAbs = max(n.MaxAbs, d)
			se += d * d
			if !math.IsInf(b[j], 0) && !math.IsNaN(b[j]) {
				ss += b[j] * b[j]
			}
		}
		count += len(a)
	}
	if count == 0 {
		return n, fmt.Errorf("no output elements to compare")
	}
	n.Scale = math.Sqrt(ss / float64(count))
	rms := math.Sqrt(se / float64(count))
	switch {
	case rms == 0:
	case n.Scale == 0:
		n.RelRMS = math.MaxFloat64
	default:
		n.RelRMS = min(rms/n.Scale, math.MaxFloat64)
	}
	n.MaxAbs = min(n.MaxAbs, math.MaxFloat64)
	return n, nil
}

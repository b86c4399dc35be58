package devicemodel

import (
	"math"
	"testing"
)

// TestFewNetworksFarOff: where two networks of a short campaign cost twenty times what was expected,
// all intervals reach about so far, not further the less the model knows of a network.
func TestFewNetworksFarOff(t *testing.T) {
	var errs, sds []float64
	for i := range 28 { // as half a minute of a simulated device has it
		errs, sds = append(errs, 0.4*math.Cos(float64(i))), append(sds, 0.01+0.005*float64(i))
	}
	errs[7], errs[20] = 2.96, 3
	m := &Model{widen: 1}
	m.Conform(errs, sds)
	inside := 0
	for i, e := range errs {
		if lo, hi := m.Interval(1, sds[i]); lo <= math.Exp(e) && math.Exp(e) <= hi {
			inside++
		}
	}
	if inside < 27 {
		t.Errorf("%d of 28 networks lie inside their intervals", inside)
	}
	if _, hi := m.Interval(1, 0.15); math.Log(hi) > 2*3 {
		t.Errorf("the interval of a network known to 15 %% reaches %.3g times its price, when none was off by more than 20 times", hi)
	}
}

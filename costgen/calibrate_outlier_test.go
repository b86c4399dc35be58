package costgen

import (
	"fmt"
	"math"
	"testing"
)

// Two families of eleven are priced ten and thirty times too high, as chains of next to nothing are: the others set the scale.
func TestCalibrationWithoutSense(t *testing.T) {
	var points []point
	for f := range 11 {
		for k := range 4 {
			y := 500 * float64(1+f+k)
			x := y * (1.1 + 0.01*float64((f+k)%5))
			if f < 2 {
				x *= 10 + 20*float64(f)
			}
			points = append(points, point{id: fmt.Sprint(f, k), x: x, y: y, kernels: 20, family: fmt.Sprint(f)})
		}
	}
	c, _ := calibrate(t.Context(), points, nil)
	if c == nil {
		t.Fatal("no calibration")
	}
	if got := c.Apply(5600, 20); math.Abs(got/5000-1) > 0.05 {
		t.Errorf("a sum of 5600 is calibrated to %.0f by %s, want about 5000", got, c.Model)
	}
}

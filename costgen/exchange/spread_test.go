package exchange

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/lut"
)

// Tables of once-for-all say the variance, not the standard deviation; what they say besides
// is named.
func TestImportOfOFAVariances(t *testing.T) {
	const text = `Conv-input:224x224x3-output:112x112x32: {count: 25, mean: 12.5, var: 0.25}
Conv_1-input:7x7x320-output:7x7x1280: {count: 25, mean: 2, std: 0.1, p99: 3, host: a}
first_conv-input:64x64x3-output:32x32x16: {mean: 1, p99: 2}
`
	tab, err := Import("ofa", []byte(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	half := map[string]float64{}
	for _, f := range tab.File().Families {
		for _, k := range f.Knots {
			half[k.Records[0][:strings.Index(k.Records[0], "-")]] = (k.Hi - k.Lo) / 2
		}
	}
	for name, want := range map[string]float64{"Conv": 1.96 * 500 / 5, "Conv_1": 1.96 * 100 / 5, "first_conv": 0} {
		if math.Abs(half[name]-want) > 1e-9 {
			t.Errorf("%s: ±%v us, want ±%v", name, half[name], want)
		}
	}
	var fields []string
	for _, w := range tab.File().Warnings {
		if w.Code == "unknown-field" {
			fields = append(fields, w.Detail)
		}
	}
	if want := []string{`"host" of 1 entries is not known and was not read`, `"p99" of 2 entries is not known and was not read`}; !slices.Equal(fields, want) {
		t.Errorf("unknown fields %q, want %q", fields, want)
	}
	if !slices.ContainsFunc(tab.File().Warnings, func(w lut.Warning) bool { return w.Code == lut.NoVariance }) {
		t.Error("a cell without spread is not said")
	}
}

package costgen

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/record"
)

// An option without effect is not taken for one that has it.
func TestOptionsWithoutEffectAreRefused(t *testing.T) {
	s := newDevice(1, 0.01).source(40, 0)
	for _, test := range []struct {
		opt  Options
		want string
	}{
		{Options{Accept: []record.Validity{"x"}}, `accept "x": there is no such validity; there are throttled, drift, noisy`},
		{Options{Accept: []record.Validity{record.Timeout}}, "such records carry no cost"},
		{Options{Judge: []string{"nosuch"}}, `judge "nosuch": no usable calibrating network`},
	} {
		if _, err := Compile(t.Context(), []Source{s}, test.opt); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.opt, err, test.want)
		}
	}
	if _, err := Compile(t.Context(), []Source{s}, Options{Accept: []record.Validity{record.Noisy, record.EmulatedCPU}}); err != nil {
		t.Error(err)
	}
}

package exchange

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/internal/tier"
)

// The public test of the model of a device: 102 CNNs on two phones' GPUs, read as users read them. Each network is priced by
// a model without the kernels that only its family has, calibrated on the other families. The networks' own
// kernels, measured, leave 2.9 and 2.2 % (TestCalibrationOnTwoPhones).
func TestUnseenFamiliesOnTwoPhones(t *testing.T) {
	tier.Slow(t, "fits models without each family of two phones")
	dir := t.TempDir()
	for _, name := range []string{MobileMLKernels, MobileMLNetworks} {
		if err := os.WriteFile(filepath.Join(dir, name), sharedData(t, MobileML, name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	phones, err := ImportPhones(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	limit := map[string]float64{"pixel4": 0.055, "mi8se": 0.043}
	for _, p := range phones {
		a := p.Table.File().Audit
		t.Logf("%s: %d networks, RMSPE %.2f %%, within 5 %%: %.1f %%, 10 %%: %.1f %%, inside their intervals %.1f %%", p.Name,
			a.Errors.N, 100*a.Errors.RMSPE, 100*a.Errors.Acc5, 100*a.Errors.Acc10, 100*a.Interval.Inside)
		if a.Errors.N != 102 || a.Errors.RMSPE > limit[p.Name] || a.Interval.Inside < 0.9 {
			t.Errorf("%s: %d networks %.2f %% off, want %.2f %%; %.1f %% inside", p.Name, a.Errors.N, 100*a.Errors.RMSPE, 100*limit[p.Name], 100*a.Interval.Inside)
		}
	}
	if len(phones) != len(limit) {
		t.Errorf("%d phones", len(phones))
	}
}

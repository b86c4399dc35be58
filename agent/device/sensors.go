package device

import "strings"

// EnergyMeters returns the energy meters that answer, the most trustworthy
// first, and what is absent of the kinds that such a machine could have, with
// reason and cure. NVML needs a native library and is in agent/device/nvml.
func (d *Device) EnergyMeters() ([]EnergyMeter, []Absence) {
	id := d.Identity()
	jetson := strings.Contains(id.Model, "Jetson") || strings.Contains(id.Kernel, "tegra")
	kinds := []struct {
		find func() (EnergyMeter, *Absence)
		here bool // whether its absence is worth a word on this machine
	}{
		{d.rapl, id.Arch == "amd64"},
		{d.ina3221, jetson && !strings.Contains(id.Model, "Thor")},
		{d.ina238, jetson && strings.Contains(id.Model, "Thor")},
		{d.odpm, strings.Contains(id.Model, "Pixel")},
		{d.batteryMeter, id.OS == "android"},
	}
	var meters []EnergyMeter
	var absent []Absence
	for _, k := range kinds {
		m, a := k.find()
		if m != nil {
			meters = append(meters, m)
		}
		// A sensor that is there and fails is always worth a word.
		if a != nil && (k.here || a.broken) {
			absent = append(absent, *a)
		}
	}
	if len(meters)+len(absent) == 0 {
		absent = append(absent, Absence{What: "energy", Reason: "this machine has no energy sensor",
			Cure: "an external power meter is the only way; latency is not affected"})
	}
	return meters, absent
}

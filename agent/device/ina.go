package device

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// An INA3221 converts three channels in turn; with the averaging Jetson's device
// trees set, a new value comes about every 20–50 ms. Reading faster returns old
// values and loads the i2c bus.
const inaPeriod = 50 * time.Millisecond

// rail is one measured supply.
type rail struct {
	name  string
	watts func() (float64, error)
}

// Rails that carry everything (NVIDIA Jetson developer guides, "Power
// monitoring"): where one is present the others are parts of it. VIN_SYS_5V0 of
// AGX Orin is not a total.
var totalRails = []string{"VDD_IN", "POM_5V_IN"}

// ina3221 reads the power monitors of a Jetson, in the form of JetPack 5 and
// later (hwmon: mV and mA) or of JetPack 4 (iio: mW).
func (d *Device) ina3221() (EnergyMeter, *Absence) {
	var rails []rail
	var broken error
	for _, dir := range d.fs.Glob("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*") {
		// in1…in3 are the channels; in4…in6 their shunts; in7 the sum of the shunt
		// voltages (Documentation/hwmon/ina3221).
		for ch := 1; ch <= 3; ch++ {
			label, err := d.fs.String(fmt.Sprintf("%s/in%d_label", dir, ch))
			if err != nil || unconnected(label) {
				continue
			}
			if on, err := d.fs.Int(fmt.Sprintf("%s/in%d_enable", dir, ch)); err == nil && on == 0 {
				continue
			}
			volts, amps := fmt.Sprintf("%s/in%d_input", dir, ch), fmt.Sprintf("%s/curr%d_input", dir, ch)
			rails = append(rails, rail{label, func() (float64, error) {
				mv, err := d.fs.Int(volts)
				if err != nil {
					return 0, err
				}
				ma, err := d.fs.Int(amps)
				if err != nil {
					return 0, err
				}
				return float64(mv) * float64(ma) / 1e6, nil
			}})
		}
	}
	for _, p := range d.fs.Glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*") {
		label, err := d.fs.String(p)
		if err != nil || unconnected(label) {
			continue
		}
		power := path.Dir(p) + "/in_power" + strings.TrimPrefix(path.Base(p), "rail_name_") + "_input"
		rails = append(rails, rail{label, func() (float64, error) {
			mw, err := d.fs.Int(power)
			return float64(mw) / 1e3, err
		}})
	}
	return d.inaMeter("ina3221", "INA3221 (Jetson rails)", rails, broken)
}

// unconnected reports a channel that measures nothing.
func unconnected(label string) bool {
	return label == "" || strings.Contains(label, "NC") || strings.Contains(label, "sum of shunt")
}

// ina238 reads the single-channel monitors of Jetson Thor: power1_input in µW
// (Documentation/hwmon/ina238).
func (d *Device) ina238() (EnergyMeter, *Absence) {
	var rails []rail
	for _, dir := range d.fs.Glob("sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*") {
		name, err := d.fs.String(dir + "/in1_label")
		if err != nil || name == "" {
			// the driver has no labels of its own: the device tree's, else the bus address
			if name, err = d.fs.String(dir + "/device/of_node/label"); err != nil || name == "" {
				name = path.Base(path.Dir(path.Dir(dir)))
			}
		}
		if unconnected(name) {
			continue
		}
		power := dir + "/power1_input"
		rails = append(rails, rail{name, func() (float64, error) {
			uw, err := d.fs.Int(power)
			return float64(uw) / 1e6, err
		}})
	}
	return d.inaMeter("ina238", "INA238 (Jetson Thor rails)", rails, nil)
}

func (d *Device) inaMeter(name, what string, rails []rail, broken error) (EnergyMeter, *Absence) {
	// Only rails that answer now; one broken channel never hides the others.
	rails = slices.DeleteFunc(rails, func(r rail) bool {
		_, err := r.watts()
		if err != nil {
			broken = err
		}
		return err != nil
	})
	if len(rails) == 0 {
		a := &Absence{What: what, Reason: "no such monitor on this board"}
		if broken != nil {
			a.Reason, a.Cure, a.broken = reason(broken), d.cure(broken), true
		}
		return nil, a
	}
	scope := "sum of the monitored rails"
	for _, total := range totalRails {
		if i := slices.IndexFunc(rails, func(r rail) bool { return r.name == total }); i >= 0 {
			rails, scope = rails[i:i+1], "the whole module ("+total+")"
		}
	}
	info := EnergySource{Name: name, Scope: scope, Kind: KindSampled, Period: inaPeriod}
	for _, r := range rails {
		info.Parts = append(info.Parts, r.name)
	}
	var a *Absence
	if broken != nil {
		a = &Absence{What: what + ", one channel", Reason: reason(broken), Cure: d.cure(broken), broken: true}
	}
	return &powerMeter{info: info, read: func() (map[string]float64, error) {
		w := make(map[string]float64, len(rails))
		for _, r := range rails {
			v, err := r.watts()
			if err != nil {
				return nil, err
			}
			w[r.name] += v
		}
		return w, nil
	}}, a
}

package device

import (
	"errors"
	"math"
	"time"
)

// A fuel gauge updates between 4 Hz and once in 10 s; sampled each second, 50
// periods are more than the 30 s an energy window needs at least.
const batteryPeriod = time.Second

var errPlugged = errors.New("the device is plugged in: the battery does not carry the load")

// batteryMeter reads the battery's own current and voltage: the grade of last
// resort.
func (d *Device) batteryMeter() (EnergyMeter, *Absence) {
	const what = "battery current"
	dir := ""
	for _, p := range d.fs.Glob("sys/class/power_supply/*") {
		kind, _ := d.fs.String(p + "/type")
		scope, _ := d.fs.String(p + "/scope")
		if kind == "Battery" && scope != "Device" {
			dir = p
			break
		}
	}
	if dir == "" {
		return nil, &Absence{What: what, Reason: "no battery"}
	}
	read := func() (map[string]float64, error) {
		if b := d.battery(); b != nil && b.PluggedIn {
			return nil, errPlugged
		}
		if uw, err := d.fs.Int(dir + "/power_now"); err == nil && uw != 0 {
			return map[string]float64{"battery": math.Abs(float64(uw)) / 1e6}, nil
		}
		// The sign differs from maker to maker; unplugged, it can only discharge.
		ua, err := d.fs.Int(dir + "/current_now")
		if err != nil {
			return nil, err
		}
		uv, err := d.fs.Int(dir + "/voltage_now")
		if err != nil {
			return nil, err
		}
		return map[string]float64{"battery": math.Abs(amps(ua)) * float64(uv) / 1e6}, nil
	}
	if _, err := read(); errors.Is(err, errPlugged) {
		return nil, &Absence{What: what, Reason: err.Error(), Cure: "unplug it; on a phone use adb over Wi-Fi (adb tcpip 5555)"}
	} else if err != nil {
		return nil, &Absence{What: what, Reason: reason(err), Cure: d.cure(err), broken: true}
	}
	return &powerMeter{read: read, info: EnergySource{
		Name: "battery", Scope: "the whole device, display and radios included", Kind: KindSampled, Period: batteryPeriod,
		Note: "low grade: the fuel gauge is slow and coarse; switch the display and the radios off",
	}}, nil
}

// amps reads current_now. The kernel's unit is µA, but some phones answer in mA;
// a device that runs a benchmark draws more than 20 mA, so a smaller number of
// "µA" is one of those.
func amps(v int64) float64 {
	if v > -20000 && v < 20000 {
		return float64(v) / 1e3
	}
	return float64(v) / 1e6
}

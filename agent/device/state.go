package device

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v3/mem"
)

// State says how the machine is doing at one moment. Absent parts are nil or empty
// and listed in Absent.
type State struct {
	Clocks       []Clock       `json:"clocks,omitempty"`
	Temperatures []Temperature `json:"temperatures,omitempty"`
	Cooling      []Cooling     `json:"cooling,omitempty"`
	Counters     []Counter     `json:"counters,omitempty"` // throttle events so far
	Battery      *Battery      `json:"battery,omitempty"`
	Load         *Load         `json:"load,omitempty"`
	FreeBytes    *int64        `json:"free_bytes,omitempty"`    // memory available without swapping, to this process
	MemoryLimit  *int64        `json:"memory_limit,omitempty"`  // bytes that its control groups let the process have
	CPUQuota     *float64      `json:"cpu_quota,omitempty"`     // CPUs' worth of time that its control groups let the process have
	ThermalLevel *int          `json:"thermal_level,omitempty"` // Android's thermal status, 0 none … 6 shutdown
	PiThrottled  *int64        `json:"pi_throttled,omitempty"`  // Raspberry Pi firmware's get_throttled bits
	StealTicks   *int64        `json:"steal_ticks,omitempty"`   // time the hypervisor took, 1/100 s, all CPUs
	Absent       []Absence     `json:"absent,omitempty"`
}

// Clock is one frequency domain.
type Clock struct {
	Policy   string  `json:"policy"` // policy0, …, or a devfreq device such as a GPU
	CPUs     CoreSet `json:"cpus,omitempty"`
	Hz       float64 `json:"hz"`       // now, as the governor asked for; 0 unknown
	MinHz    float64 `json:"min_hz"`   // scaling_min_freq
	MaxHz    float64 `json:"max_hz"`   // scaling_max_freq: what it may reach now
	LimitHz  float64 `json:"limit_hz"` // cpuinfo_max_freq: what the part can do
	Governor string  `json:"governor"`
}

// Temperature is one thermal sensor.
type Temperature struct {
	Zone    string  `json:"zone"` // thermal_zone3, hwmon1/temp1
	Type    string  `json:"type"` // cpu-thermal, x86_pkg_temp
	Celsius float64 `json:"celsius"`
}

// Cooling is one cooling device: state 0 does not cool, Max cools most.
type Cooling struct {
	Device string `json:"device"`
	Type   string `json:"type"`
	State  int64  `json:"state"`
	Max    int64  `json:"max"`
}

// Counter counts throttle events since boot.
type Counter struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Battery is the battery of a phone or laptop.
type Battery struct {
	Percent   int     `json:"percent"` // 0…100, −1 unknown
	Status    string  `json:"status"`  // Charging, Discharging, Full, Not charging
	Celsius   float64 `json:"celsius"` // NaN-free: 0 where unknown
	PluggedIn bool    `json:"plugged_in"`
}

// Load is the run queue.
type Load struct {
	One     float64 `json:"one"` // runnable threads, averaged over one minute
	Five    float64 `json:"five"`
	Fifteen float64 `json:"fifteen"`
}

// Snapshot reads the state. It takes milliseconds and must stay outside of timed
// regions.
func (d *Device) Snapshot() State {
	var s State
	s.Clocks = d.clocks(&s.Absent)
	s.Temperatures = d.temperatures(&s.Absent)
	s.Cooling = d.cooling()
	s.Counters = d.counters()
	s.Battery = d.battery()
	if l, err := d.load(); err != nil {
		s.Absent = append(s.Absent, Absence{What: "load", Reason: reason(err), Cure: d.cure(err)})
	} else {
		s.Load = &l
	}
	if d.fs.Exists("proc/meminfo") {
		if vm, err := mem.VirtualMemoryWithContext(d.inventory()); err == nil {
			free := int64(vm.Available)
			s.FreeBytes = &free
		}
	}
	limit, left := d.groupMemory()
	s.MemoryLimit = limit
	if left != nil && (s.FreeBytes == nil || *left < *s.FreeBytes) {
		s.FreeBytes = left
	}
	s.CPUQuota = d.quota()
	s.ThermalLevel = d.thermalLevel()
	if v, err := d.piThrottled(); err == nil {
		s.PiThrottled = &v
	} else if model, _ := d.fs.String("proc/device-tree/model"); strings.HasPrefix(model, "Raspberry Pi") {
		s.Absent = append(s.Absent, Absence{What: "under-voltage", Reason: err.Error(),
			Cure: "vcgencmd get_throttled says it where the kernel does not; the firmware's driver is part of Raspberry Pi's own kernels"})
	}
	s.StealTicks = d.steal()
	return s
}

// load reads the averages of proc_loadavg(5). The file is empty in some containers.
func (d *Device) load() (l Load, err error) {
	text, err := d.fs.String("proc/loadavg")
	if err != nil {
		return l, err
	}
	if n, err := fmt.Sscan(text, &l.One, &l.Five, &l.Fifteen); err != nil {
		return l, fmt.Errorf("%d of the three averages are in %.40q", n, text)
	}
	return l, nil
}

func (d *Device) clocks(absent *[]Absence) []Clock {
	var out []Clock
	policies := d.fs.Glob("sys/devices/system/cpu/cpufreq/policy[0-9]*")
	if len(policies) == 0 {
		// Kernels before 4.3 have the files only below each CPU.
		policies = d.fs.Glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq")
	}
	for _, p := range policies {
		c := Clock{Policy: path.Base(p)}
		if c.Policy == "cpufreq" {
			c.Policy = path.Base(path.Dir(p))
		}
		khz := func(name string) float64 {
			v, err := d.fs.Int(p + "/" + name)
			if err != nil || v < 0 {
				return 0
			}
			return float64(v) * 1e3
		}
		c.Hz, c.MinHz = khz("scaling_cur_freq"), khz("scaling_min_freq")
		c.MaxHz, c.LimitHz = khz("scaling_max_freq"), khz("cpuinfo_max_freq")
		c.Governor, _ = d.fs.String(p + "/scaling_governor")
		for _, name := range []string{"related_cpus", "affected_cpus"} {
			if text, err := d.fs.String(p + "/" + name); err == nil {
				if set, err := ParseCoreList(strings.Join(strings.Fields(text), ",")); err == nil {
					c.CPUs = set
					break
				}
			}
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		*absent = append(*absent, Absence{What: "clock frequencies", Reason: "no cpufreq below /sys/devices/system/cpu",
			Cure: "on a virtual machine the host keeps them to itself; on a board enable cpufreq in the kernel"})
	}
	for _, p := range d.fs.Glob("sys/class/devfreq/*") {
		// devfreq devices that compute; buses and memory have no place in a summary.
		name := path.Base(p)
		if !strings.Contains(name, "gpu") && !strings.Contains(name, "ga10b") && !strings.Contains(name, "gv11b") &&
			!strings.Contains(name, "kgsl") && !strings.Contains(name, "mali") && !strings.Contains(name, "npu") {
			continue
		}
		hz := func(name string) float64 {
			v, err := d.fs.Int(p + "/" + name)
			if err != nil || v < 0 {
				return 0
			}
			return float64(v)
		}
		c := Clock{Policy: name, Hz: hz("cur_freq"), MinHz: hz("min_freq"), MaxHz: hz("max_freq")}
		c.Governor, _ = d.fs.String(p + "/governor")
		if text, err := d.fs.String(p + "/available_frequencies"); err == nil {
			for f := range strings.FieldsSeq(text) {
				if v, err := strconv.ParseFloat(f, 64); err == nil {
					c.LimitHz = math.Max(c.LimitHz, v)
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// Not temperatures, or not of anything that computes, although they are thermal
// zones: battery charge and currents on Qualcomm, a fan's model and a PMIC that
// always says 100 °C on Jetson Nano.
var notTemperatures = []string{"bcl", "ibat", "vbat", "socd", "pmic-die", "thermal-fan-est", "-step", "-lvl"}

// A sensor of a powered-down block reads −256 °C (Tegra) or absolute zero; none of
// our devices computes outside of −40…150 °C, the range of automotive parts.
const minCelsius, maxCelsius = -40, 150

func (d *Device) temperatures(absent *[]Absence) []Temperature {
	var out []Temperature
	var broken []string
	add := func(zone, kind, file string) {
		v, err := d.fs.Int(file)
		if err != nil {
			broken = append(broken, kind+": "+reason(err))
			return
		}
		c := float64(v)
		// millidegrees; some vendor kernels before 4.x gave whole degrees.
		if math.Abs(c) >= 200 {
			c /= 1e3
		}
		if c <= minCelsius || c > maxCelsius {
			broken = append(broken, kind+": offline (reads "+strconv.FormatFloat(c, 'f', -1, 64)+" °C)")
			return
		}
		out = append(out, Temperature{zone, kind, c})
	}
	qualcomm := d.fs.Exists("sys/class/kgsl")
	for _, p := range d.fs.Glob("sys/class/thermal/thermal_zone[0-9]*") {
		kind, err := d.fs.String(p + "/type")
		if err != nil {
			continue
		}
		lower := strings.ToLower(kind)
		if slices.ContainsFunc(notTemperatures, func(s string) bool { return strings.Contains(lower, s) }) ||
			qualcomm && lower == "soc" { // the battery's state of charge
			continue
		}
		if mode, err := d.fs.String(p + "/mode"); err == nil && mode == "disabled" && !d.fs.Exists(p+"/temp") {
			continue
		}
		add(path.Base(p), kind, p+"/temp")
	}
	// AMD's k10temp and old coretemp set-ups have no thermal zone.
	for _, p := range d.fs.Glob("sys/class/hwmon/hwmon[0-9]*") {
		switch name, _ := d.fs.String(p + "/name"); name {
		case "k10temp", "zenpower", "coretemp":
			add(path.Base(p)+"/temp1", name, p+"/temp1_input")
		}
	}
	if len(out) == 0 {
		a := Absence{What: "temperatures", Reason: "no thermal zone answers",
			Cure: "a virtual machine has none; on a host load coretemp or k10temp"}
		if len(broken) > 0 {
			a.Reason, a.Cure = strings.Join(broken, "; "), ""
		}
		*absent = append(*absent, a)
	} else {
		for _, b := range broken {
			*absent = append(*absent, Absence{What: "temperature", Reason: b})
		}
	}
	return out
}

func (d *Device) cooling() []Cooling {
	var out []Cooling
	for _, p := range d.fs.Glob("sys/class/thermal/cooling_device[0-9]*") {
		kind, err1 := d.fs.String(p + "/type")
		cur, err2 := d.fs.Int(p + "/cur_state")
		max, err3 := d.fs.Int(p + "/max_state")
		if err1 == nil && err2 == nil && err3 == nil {
			out = append(out, Cooling{path.Base(p), kind, cur, max})
		}
	}
	return out
}

func (d *Device) counters() []Counter {
	var out []Counter
	sum := func(name, pattern string) {
		var total int64
		found := false
		for _, p := range d.fs.Glob(pattern) {
			if v, err := d.fs.Int(p); err == nil {
				total, found = total+v, true
			}
		}
		if found {
			out = append(out, Counter{name, total})
		}
	}
	// x86: Documentation/ABI/testing/sysfs-devices-system-cpu, thermal_throttle.
	sum("core throttle", "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")
	sum("package throttle", "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/package_throttle_count")
	// Jetson: over-current events (NVIDIA Jetson Linux developer guide, “OC event counter”).
	sum("over-current", "sys/class/hwmon/hwmon[0-9]*/oc[0-9]*_event_cnt")
	return out
}

func (d *Device) battery() *Battery {
	for _, p := range d.fs.Glob("sys/class/power_supply/*") {
		if kind, _ := d.fs.String(p + "/type"); kind != "Battery" {
			continue
		}
		// A mouse or a pen has scope Device (Documentation/ABI sysfs-class-power).
		if scope, _ := d.fs.String(p + "/scope"); scope == "Device" {
			continue
		}
		b := &Battery{Percent: -1}
		if v, err := d.fs.Int(p + "/capacity"); err == nil {
			b.Percent = int(v)
		}
		b.Status, _ = d.fs.String(p + "/status")
		if v, err := d.fs.Int(p + "/temp"); err == nil {
			b.Celsius = float64(v) / 10
		}
		b.PluggedIn = b.Status == "Charging" || b.Status == "Full" || d.charger()
		return b
	}
	return nil
}

// charger reports whether any mains or USB supply is online.
func (d *Device) charger() bool {
	for _, p := range d.fs.Glob("sys/class/power_supply/*") {
		if kind, _ := d.fs.String(p + "/type"); kind == "Battery" || kind == "" {
			continue
		}
		if v, err := d.fs.Int(p + "/online"); err == nil && v > 0 {
			return true
		}
	}
	return false
}

// piThrottled reads what a Raspberry Pi's firmware says of its supply and clocks: its own
// word, in hexadecimal, below the firmware's node – soc:firmware up to a Pi 4, and since the
// Pi 5's device tree has addresses in such names soc@107c000000:firmware –, or else the
// under-voltage alarm that the hwmon driver rpi_volt (raspberrypi-hwmon.c) makes of it.
func (d *Device) piThrottled() (int64, error) {
	if found := d.fs.Glob("sys/devices/platform/soc*/soc*:firmware/get_throttled"); len(found) > 0 {
		s, err := d.fs.String(found[0])
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(strings.TrimPrefix(s, "0x"), 16, 64)
	}
	for _, dir := range d.fs.Glob("sys/class/hwmon/hwmon[0-9]*") {
		if name, err := d.fs.String(dir + "/name"); err == nil && name == "rpi_volt" {
			return d.fs.Int(dir + "/in0_lcrit_alarm")
		}
	}
	return 0, fmt.Errorf("neither the firmware's get_throttled nor the hwmon driver rpi_volt is there: %w", fs.ErrNotExist)
}

// steal reads the eighth figure of the cpu line of /proc/stat (proc_stat(5)).
func (d *Device) steal() *int64 {
	text, err := d.fs.String("proc/stat")
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return nil
	}
	v, err := strconv.ParseInt(f[8], 10, 64)
	if err != nil {
		return nil
	}
	return &v
}

// Words of thermal zone types that sit on the processor or the accelerator.
var computeZones = []string{"cpu", "gpu", "x86_pkg", "coretemp", "k10temp", "zenpower", "soc", "tj", "big", "mid", "little", "tpu", "npu"}

// HottestCelsius returns the highest temperature of a sensor on the processor or
// accelerator, or of any sensor where none is; false when there are none. The
// thermal gate waits for this.
func (s State) HottestCelsius() (float64, bool) {
	hot, any, found := math.Inf(-1), math.Inf(-1), false
	for _, t := range s.Temperatures {
		any = math.Max(any, t.Celsius)
		lower := strings.ToLower(t.Type)
		if slices.ContainsFunc(computeZones, func(w string) bool { return strings.Contains(lower, w) }) {
			hot, found = math.Max(hot, t.Celsius), true
		}
	}
	switch {
	case len(s.Temperatures) == 0:
		return 0, false
	case !found:
		return any, true
	}
	return hot, true
}

package device

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// RAPL counters advance about every millisecond (Intel SDM vol. 3B, 15.10, “RAPL
// energy status”: 0.976 ms typical).
const raplPeriod = time.Millisecond

// The most a socket draws, with head-room: how fast a counter can wrap.
const maxSocketWatts = 1000

// rapl sums packages and their DRAM. "core" and "uncore" are parts of a package,
// "psys" contains everything, and intel-rapl-mmio is a second view of package 0.
func (d *Device) rapl() (EnergyMeter, *Absence) {
	type zone struct {
		dir, name string
		wrap      float64
	}
	var zones []zone
	var broken error
	all := d.fs.Glob("sys/class/powercap/intel-rapl:*")
	for _, p := range all {
		name, err := d.fs.String(p + "/name")
		if err != nil || !strings.HasPrefix(name, "package") && name != "dram" {
			continue
		}
		if _, err := d.fs.Uint(p + "/energy_uj"); err != nil {
			broken = err
			continue
		}
		wrap, err := d.fs.Uint(p + "/max_energy_range_uj")
		if err != nil {
			broken = err
			continue
		}
		if name == "dram" { // intel-rapl:0:1 belongs to intel-rapl:0
			socket := strings.Split(path.Base(p), ":")[1]
			name = "dram-" + socket
		}
		zones = append(zones, zone{p, name, float64(wrap) / 1e6})
	}
	if len(zones) == 0 {
		a := &Absence{What: "RAPL (processor energy)"}
		switch {
		case broken != nil:
			a.Reason, a.Cure, a.broken = reason(broken), d.cure(broken), true
			if a.Cure != "" && strings.Contains(a.Cure, "root") {
				a.Cure = "run as root, or: sudo chmod a+r /sys/class/powercap/*/energy_uj"
			}
		case d.fs.Exists("sys/class/powercap"):
			a.Reason = "no intel-rapl zone below /sys/class/powercap"
			a.Cure = "on a bare-metal x86 host: modprobe intel_rapl_msr"
		default:
			a.Reason = "no /sys/class/powercap"
			a.Cure = "virtual machines and ARM boards have none; on a bare-metal x86 host: modprobe intel_rapl_msr"
		}
		return nil, a
	}
	info := EnergySource{Name: "rapl", Scope: "processor packages and their memory", Kind: KindCounter, Period: raplPeriod}
	least := zones[0].wrap
	for _, z := range zones {
		info.Parts = append(info.Parts, z.name)
		least = min(least, z.wrap)
	}
	return &counterMeter{
		info: info,
		poll: time.Duration(least / 2 / maxSocketWatts * float64(time.Second)),
		read: func() ([]count, error) {
			var out []count
			for _, z := range zones {
				v, err := d.fs.Uint(z.dir + "/energy_uj")
				if err != nil {
					return nil, err
				}
				j := float64(v) / 1e6
				if z.wrap > 0 && j > z.wrap {
					return nil, fmt.Errorf("%s reads %g J, beyond its range of %g J", z.name, j, z.wrap)
				}
				out = append(out, count{part: z.name, joules: j, wrap: z.wrap})
			}
			return out, nil
		},
	}, nil
}

package device

import (
	"bufio"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The driver reads the meter's accumulators when the file is read; they sample
// at 125 Hz by default (Pixel kernel, drivers/power/odpm, external_sampling_rate).
const odpmPeriod = 8 * time.Millisecond

// Rails that feed what computes. The meter also watches the display, the modem
// and regulators that feed one another, so a sum of all rails counts twice.
var odpmCompute = []string{"CPU", "MIF", "INT", "G3D", "GPU", "TPU"}

// "CH3(T=358356)[S2M_VDD_CPUCL2], 761330" – energy in µW·s after T ms.
var odpmLine = regexp.MustCompile(`^CH(\d+)\(T=(\d+)\)\[([^\]]+)\],\s*(\d+)$`)

// parseODPM reads one energy_value file. Lines it does not know are an error:
// a changed format must not lose a rail.
func parseODPM(text string) ([]count, error) {
	var out []count
	sc := bufio.NewScanner(strings.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "t=") {
			continue
		}
		f := odpmLine.FindStringSubmatch(line)
		if f == nil {
			return nil, fmt.Errorf("energy_value line %d: want CHn(T=ms)[RAIL], µWs, not %q", n, line)
		}
		ms, err1 := strconv.ParseInt(f[2], 10, 64)
		uws, err2 := strconv.ParseUint(f[4], 10, 64)
		if err1 != nil || err2 != nil || ms > int64(1<<53) {
			return nil, fmt.Errorf("energy_value line %d: number out of range in %q", n, line)
		}
		out = append(out, count{part: f[3], joules: float64(uws) / 1e6, at: time.Duration(ms) * time.Millisecond})
	}
	return out, sc.Err()
}

// odpm reads the on-device power meters of Pixel 6 and later.
func (d *Device) odpm() (EnergyMeter, *Absence) {
	files := d.fs.Glob("sys/bus/iio/devices/iio:device*/energy_value")
	read := func() ([]count, error) {
		var out []count
		for _, f := range files {
			text, err := d.fs.String(f)
			if err != nil {
				return nil, err
			}
			counts, err := parseODPM(text)
			if err != nil {
				return nil, err
			}
			for _, c := range counts {
				if slices.ContainsFunc(odpmCompute, func(w string) bool { return strings.Contains(c.part, w) }) {
					out = append(out, c)
				}
			}
		}
		return out, nil
	}
	const what = "ODPM (Pixel power rails)"
	if len(files) == 0 {
		return nil, &Absence{What: what, Reason: "only Pixel 6 and later have it"}
	}
	first, err := read()
	if err != nil {
		a := &Absence{What: what, Reason: reason(err), Cure: d.cure(err), broken: true}
		if a.Cure != "" {
			a.Cure = "adb root (userdebug builds), or use the battery"
		}
		return nil, a
	}
	if len(first) == 0 {
		return nil, &Absence{What: what, Reason: "no rail of the processors is among those enabled",
			Cure: "select rails in enabled_rails beside energy_value"}
	}
	info := EnergySource{Name: "odpm", Scope: "rails of CPU, GPU, TPU, memory and interconnect", Kind: KindCounter, Period: odpmPeriod}
	for _, c := range first {
		info.Parts = append(info.Parts, c.part)
	}
	return &counterMeter{info: info, read: read}, nil
}

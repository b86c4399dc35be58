package device

import "strings"

// cpuinfo is /proc/cpuinfo: the fields of each processor, and those outside of
// any ("Hardware", "Model" on ARM).
type cpuinfo struct {
	processors map[int]map[string]string
	common     map[string]string
}

func (d *Device) cpuinfo() cpuinfo {
	text, _ := d.fs.String("proc/cpuinfo")
	return parseCPUInfo(text)
}

func parseCPUInfo(text string) cpuinfo {
	info := cpuinfo{map[int]map[string]string{}, map[string]string{}}
	var cur map[string]string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			if strings.TrimSpace(line) == "" {
				cur = nil
			}
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch n, isNumber := number(value); {
		case key == "processor" && isNumber:
			cur = map[string]string{}
			info.processors[n] = cur
		case cur != nil && key != "Hardware" && key != "Model" && key != "Revision" && key != "Serial":
			cur[key] = value
		default:
			// The serial number stays out of everything this package returns.
			if key != "Serial" {
				info.common[key] = value
			}
		}
	}
	// Older ARM kernels print the fields of the core once, after all processors.
	for _, p := range info.processors {
		for k, v := range info.common {
			if _, ok := p[k]; !ok && strings.HasPrefix(k, "CPU ") {
				p[k] = v
			}
		}
	}
	return info
}

func (c cpuinfo) arm() bool {
	for _, p := range c.processors {
		if p["CPU implementer"] != "" {
			return true
		}
	}
	return false
}

// flags returns the feature list of any processor (they agree).
func (c cpuinfo) flags() []string {
	for _, p := range c.processors {
		if f := p["flags"]; f != "" {
			return strings.Fields(f)
		}
		if f := p["Features"]; f != "" {
			return strings.Fields(f)
		}
	}
	return nil
}

func number(s string) (int, bool) {
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' || n > maxCPUs {
			return 0, false
		}
		n = n*10 + int(r-'0')
	}
	return n, s != ""
}

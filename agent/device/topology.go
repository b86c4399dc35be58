package device

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// CPU is one logical CPU.
type CPU struct {
	Index    int     `json:"index"`
	Online   bool    `json:"online"`
	Core     string  `json:"core"`               // name of the design: "Cortex-A55", or the x86 model name
	Capacity int     `json:"capacity,omitempty"` // cpu_capacity, 1024 = the fastest at its highest clock; 0 unknown
	MaxHz    float64 `json:"max_hz,omitempty"`   // cpuinfo_max_freq; 0 unknown
	Cluster  string  `json:"cluster"`
	Siblings CoreSet `json:"siblings,omitempty"` // hardware threads of the same core, itself included
}

// Cluster is the CPUs of one kind.
type Cluster struct {
	Name     string  `json:"name"` // little, mid, big, prime
	CPUs     CoreSet `json:"cpus"`
	Core     string  `json:"core"`
	Capacity int     `json:"capacity,omitempty"`
	MaxHz    float64 `json:"max_hz,omitempty"`
}

// Topology is the CPUs of a machine and their clusters, slowest cluster first.
type Topology struct {
	CPUs     []CPU     `json:"cpus"`
	Clusters []Cluster `json:"clusters"`
	// Allowed holds what this process may use of the CPUs that are online: its affinity mask
	// and cpuset. Empty where that is all of them, or not known.
	Allowed CoreSet `json:"allowed,omitempty"`
}

// Topology reads the CPUs. A machine without any readable CPU information has an
// empty topology.
func (d *Device) Topology() Topology {
	info := d.cpuinfo()
	var t Topology
	for _, i := range d.present(info) {
		t.CPUs = append(t.CPUs, d.cpu(i, info))
	}
	online, err := d.coreList("sys/devices/system/cpu/online")
	for i := range t.CPUs {
		t.CPUs[i].Online = err != nil || online.Contains(t.CPUs[i].Index)
	}
	var allowed CoreSet
	on := t.Online()
	for _, c := range d.allowedCPUs() {
		if on.Contains(c) {
			allowed = append(allowed, c)
		}
	}
	if len(allowed) < len(on) {
		t.Allowed = allowed
	}
	t.Clusters = d.clusters(t.CPUs)
	for _, cl := range t.Clusters {
		for i := range t.CPUs {
			if cl.CPUs.Contains(t.CPUs[i].Index) {
				t.CPUs[i].Cluster = cl.Name
			}
		}
	}
	return t
}

func (d *Device) coreList(name string) (CoreSet, error) {
	s, err := d.fs.String(name)
	if err != nil {
		return nil, err
	}
	return ParseCoreList(s)
}

func (d *Device) present(info cpuinfo) CoreSet {
	if set, err := d.coreList("sys/devices/system/cpu/present"); err == nil && len(set) > 0 {
		return set
	}
	var set CoreSet
	for _, p := range d.fs.Glob("sys/devices/system/cpu/cpu[0-9]*") {
		if n, err := strconv.Atoi(strings.TrimPrefix(path.Base(p), "cpu")); err == nil {
			set = append(set, n)
		}
	}
	if len(set) == 0 {
		for n := range info.processors {
			set = append(set, n)
		}
	}
	return set.sorted()
}

func (d *Device) cpu(i int, info cpuinfo) CPU {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", i)
	c := CPU{Index: i, Core: d.coreName(i, info)}
	if v, err := d.fs.Int(dir + "cpu_capacity"); err == nil && v > 0 {
		c.Capacity = int(v)
	}
	if v, err := d.fs.Int(dir + "cpufreq/cpuinfo_max_freq"); err == nil && v > 0 {
		c.MaxHz = float64(v) * 1e3
	}
	for _, name := range []string{"topology/core_cpus_list", "topology/thread_siblings_list"} {
		if set, err := d.coreList(dir + name); err == nil {
			c.Siblings = set
			break
		}
	}
	return c
}

// coreName finds what kind of core a CPU is: MIDR_EL1 where the kernel shows it
// (also for CPUs that are offline in /proc/cpuinfo), else /proc/cpuinfo.
func (d *Device) coreName(i int, info cpuinfo) string {
	midr := fmt.Sprintf("sys/devices/system/cpu/cpu%d/regs/identification/midr_el1", i)
	if v, err := d.fs.Uint(midr); err == nil {
		return armName(uint32(v>>24&0xff), uint32(v>>4&0xfff))
	}
	p, ok := info.processors[i]
	if !ok {
		return ""
	}
	if m := p["model name"]; m != "" && p["CPU part"] == "" {
		return m
	}
	impl, err1 := strconv.ParseUint(p["CPU implementer"], 0, 32)
	part, err2 := strconv.ParseUint(p["CPU part"], 0, 32)
	if err1 != nil || err2 != nil {
		return p["model name"]
	}
	return armName(uint32(impl), uint32(part))
}

func armName(implementer, part uint32) string {
	if n := armParts[[2]uint32{implementer, part}]; n != "" {
		return n
	}
	return fmt.Sprintf("ARM core 0x%02x/0x%03x", implementer, part)
}

// clusters groups the CPUs by speed. ARM kernels give each kind of core its own
// capacity (or, before Linux 4.x and on some boards, only its own maximum
// frequency), so there distinct values are distinct clusters. On x86 every core
// may have its own best frequency (favoured cores), which is not a cluster: there
// only the kernel's own lists of P- and E-cores count.
func (d *Device) clusters(cpus []CPU) []Cluster {
	if len(cpus) == 0 {
		return nil
	}
	// Kinds of a hybrid x86: one PMU a kind (Documentation/admin-guide/perf, perf
	// "cpu_core"/"cpu_atom").
	if atom, err := d.coreList("sys/devices/cpu_atom/cpus"); err == nil && len(atom) > 0 {
		return nameClusters(groupBy(cpus, func(c CPU) float64 {
			if atom.Contains(c.Index) {
				return 0
			}
			return 1
		}))
	}
	arm := strings.Contains(cpus[0].Core, "ARM") || d.fs.Exists("sys/devices/system/cpu/cpu0/regs/identification/midr_el1") || d.cpuinfo().arm()
	if !arm {
		return nameClusters(groupBy(cpus, func(CPU) float64 { return 0 }))
	}
	byCapacity := !slices.ContainsFunc(cpus, func(c CPU) bool { return c.Capacity == 0 })
	return nameClusters(groupBy(cpus, func(c CPU) float64 {
		if byCapacity {
			return float64(c.Capacity)
		}
		return c.MaxHz
	}))
}

// binned is the factor below which the speeds of two groups of one design of core are one
// cluster: parts of a die that reach their clock with less voltage are let go a little
// higher (RK3588: 2.256 and 2.304 GHz). A cluster that is meant to be another is further
// off (Snapdragon 765G: 2.2 and 2.4 GHz).
const binned = 1.07

// groupBy returns one cluster a distinct speed, slowest first.
func groupBy(cpus []CPU, speed func(CPU) float64) []Cluster {
	bySpeed := map[float64]*Cluster{}
	var speeds []float64
	for _, c := range cpus {
		s := speed(c)
		cl := bySpeed[s]
		if cl == nil {
			cl = &Cluster{Core: c.Core, Capacity: c.Capacity, MaxHz: c.MaxHz}
			bySpeed[s] = cl
			speeds = append(speeds, s)
		}
		cl.CPUs = append(cl.CPUs, c.Index)
	}
	slices.Sort(speeds)
	var out []Cluster
	for i, s := range speeds {
		cl := *bySpeed[s]
		if n := len(out); n > 0 && cl.Core != "" && cl.Core == out[n-1].Core && s < binned*speeds[i-1] {
			cl.CPUs = append(out[n-1].CPUs, cl.CPUs...).sorted()
			out[n-1] = cl // named by the faster part
			continue
		}
		out = append(out, cl)
	}
	return out
}

// nameClusters names them slowest to fastest. The fastest of three or more is
// "prime" when it is a single core (Snapdragon's word), else "big"; everything
// between the slowest and the fastest general cluster is "mid". The only cluster
// of a homogeneous machine is "big".
func nameClusters(cl []Cluster) []Cluster {
	rest := len(cl)
	if rest >= 3 && len(cl[rest-1].CPUs) == 1 {
		rest--
		cl[rest].Name = "prime"
	}
	for i := range rest {
		switch {
		case i == rest-1:
			cl[i].Name = "big"
		case i == 0:
			cl[i].Name = "little"
		default:
			cl[i].Name = "mid"
		}
	}
	return cl
}

// Online returns the CPUs that are on.
func (t Topology) Online() CoreSet {
	var set CoreSet
	for _, c := range t.CPUs {
		if c.Online {
			set = append(set, c.Index)
		}
	}
	return set
}

// Usable returns the CPUs that are on and that this process may use.
func (t Topology) Usable() CoreSet {
	if len(t.Allowed) > 0 {
		return t.Allowed
	}
	return t.Online()
}

// Select turns what a user writes for --cores into a set: "all" (or ""), cluster
// names, CPU numbers and ranges, joined by commas: "big", "0-3", "mid,prime".
// Every CPU named must be online and allowed to this process; other members of a named
// cluster are left out.
func (t Topology) Select(spec string) (CoreSet, error) {
	online, usable := t.Online(), t.Usable()
	var set CoreSet
	for part := range strings.SplitSeq(spec, ",") {
		part = strings.TrimSpace(part)
		if part == "all" || spec == "" {
			set = append(set, usable...)
			continue
		}
		named := false
		for _, cl := range t.Clusters {
			if cl.Name == part {
				named = true
				for _, c := range cl.CPUs {
					if usable.Contains(c) {
						set = append(set, c)
					}
				}
			}
		}
		if named {
			continue
		}
		list, err := ParseCoreList(part)
		if err != nil || len(list) == 0 {
			return nil, hint.Wrap(fmt.Errorf("cores %q: %q is not a cluster of this device, nor a CPU number or range", spec, part),
				"this device has %s; or write all, or numbers such as 0-3", t.describe())
		}
		for _, c := range list {
			if !online.Contains(c) {
				return nil, hint.Wrap(fmt.Errorf("cores %q: CPU %d is not online", spec, c), "online are %s", online)
			}
			if !usable.Contains(c) {
				return nil, hint.Wrap(fmt.Errorf("cores %q: this process may not use CPU %d", spec, c),
					"its affinity mask or cpuset allows %s (taskset -p $$ shows it)", usable)
			}
		}
		set = append(set, list...)
	}
	if len(set) == 0 {
		return nil, hint.Wrap(fmt.Errorf("cores %q: this process may use none of these CPUs", spec), "it may use %s", usable)
	}
	return set.sorted(), nil
}

func (t Topology) describe() string {
	var parts []string
	for _, c := range t.Clusters {
		parts = append(parts, fmt.Sprintf("%s (%s)", c.Name, c.CPUs))
	}
	return strings.Join(parts, ", ")
}

// String names the cores as a person would: "4×Cortex-A55 + 2×Cortex-A76 + 2×Cortex-X1".
func (t Topology) String() string {
	var parts []string
	for _, c := range t.Clusters {
		name := c.Core
		if name == "" {
			name = "unknown core"
		}
		parts = append(parts, fmt.Sprintf("%d×%s", len(c.CPUs), name))
	}
	return strings.Join(parts, " + ")
}

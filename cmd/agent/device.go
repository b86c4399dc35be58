package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/device/nvml"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// deviceFormat is the first field of agent device --json.
const deviceFormat = "isocost/device/v1"

type deviceOptions struct {
	JSON    bool
	SysRoot string
	Cores   string
	Probe   time.Duration
	targetOptions
}

func deviceCommand() cli.Command {
	return cli.Command{
		Name:  "device",
		Short: "reports what this device is, what answers, what is missing, and how far its timings can be trusted",
		Long: `Absent sensors and runtimes come with the reason and the cure. A noise probe keeps one core busy for
three seconds and grades the machine: good (an interval of 1 % is realistic), fair (campaigns differ by a
common scale of a few percent) or poor. --sysroot reads a tree captured on another board with
scripts/capture-sysfs.sh; then nothing is probed.`,
		Example: "agent device --cores big",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o deviceOptions
			flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
			flags.StringVar(&o.SysRoot, "sysroot", "/", "read the device from this `DIR`")
			flags.StringVar(&o.Cores, "cores", "all", "core set for the identifier and the probe: all, little, mid, big, prime, 0-3,6")
			flags.DurationVar(&o.Probe, "probe", 3*time.Second, "length of the noise probe; 0 leaves it out")
			o.targetOptions.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("unexpected argument %q", args[0])
				}
				if o.remote() {
					return o.runThere(ctx, env, remoteArgs("device", flags))
				}
				if o.Probe != 0 && o.Probe < 500*time.Millisecond {
					return cli.Usagef("--probe %v is too short: at least 500ms, or 0", o.Probe)
				}
				return runDevice(ctx, env, o)
			}
		},
	}
}

// deviceReport is everything agent device knows.
type deviceReport struct {
	Format   string          `json:"format"`
	ID       string          `json:"id"`
	Cores    device.CoreSet  `json:"cores"`
	Identity device.Identity `json:"identity"`
	Caches   device.Caches   `json:"caches,omitzero"`
	// CachesUnknown says why prices and frames assume some of their sizes.
	CachesUnknown string                `json:"caches_unknown,omitempty"`
	State         device.State          `json:"state"`
	GPUs          []nvml.GPU            `json:"gpus,omitempty"`
	Runtimes      []runtimeReport       `json:"runtimes,omitempty"`
	Energy        []device.EnergySource `json:"energy,omitempty"`
	Absent        []device.Absence      `json:"absent,omitempty"`
	Noise         *device.Noise         `json:"noise,omitempty"`
	Verdict       device.Verdict        `json:"verdict"`
}

// runtimeReport is one native runtime: found, or not and why.
type runtimeReport struct {
	Name      string   `json:"name"`
	Version   string   `json:"version,omitempty"`
	Path      string   `json:"path,omitempty"`
	SHA256    string   `json:"sha256,omitempty"`
	Providers []string `json:"providers,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Cure      string   `json:"cure,omitempty"`
}

func runDevice(ctx context.Context, env cli.Env, o deviceOptions) error {
	d, err := device.Open(o.SysRoot)
	if err != nil {
		return cli.Usage(err)
	}
	r := deviceReport{Format: deviceFormat, Identity: d.Identity(), State: d.Snapshot()}
	if len(r.Identity.Topology.CPUs) == 0 {
		return cli.Usage(hint.Wrap(fmt.Errorf("%s holds no CPU: neither sys/devices/system/cpu nor proc/cpuinfo", o.SysRoot),
			"--sysroot takes a folder made by scripts/capture-sysfs.sh"))
	}
	if r.Cores, err = r.Identity.Topology.Select(o.Cores); err != nil {
		return cli.Usage(err)
	}
	r.ID = r.Identity.ID(r.Cores)
	r.Caches, r.CachesUnknown = d.Caches(r.Cores)
	meters, absent := d.EnergyMeters()
	for _, m := range meters {
		r.Energy = append(r.Energy, m.Info())
	}
	r.Absent = append(r.State.Absent, absent...)
	r.State.Absent = nil
	if r.Identity.OS == "android" {
		r.Absent = append(r.Absent, device.Absence{What: "reading of fixed-performance mode",
			Reason: "Android sets the mode but has no way to read it: records call it unverified",
			Cure:   "believe the clocks and the drift that records carry; with root, clock: locked is read back"})
	}
	if d.Live() {
		r.nvidia()
		if r.Runtimes, err = runtimes(ctx); err != nil {
			return err
		}
		if o.Probe > 0 {
			fmt.Fprintf(env.Stderr, "agent: timing a fixed piece of work for %v\n", o.Probe)
			if err := device.PinProcess(r.Cores); err != nil && o.Cores != "all" {
				return err
			}
			n, err := d.Probe(ctx, o.Probe)
			if err != nil {
				return err
			}
			r.Noise = &n
		}
	}
	r.Verdict = device.Judge(r.Identity, r.State, r.Noise)
	if o.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	return r.print(env.Stdout)
}

// nvidia adds the GPUs that NVML shows.
func (r *deviceReport) nvidia() {
	lib, absent := nvml.Open()
	if absent != nil {
		// worth a word only where the kernel shows such a GPU, or an x86 host could have one
		if strings.Contains(strings.Join(r.Identity.Accelerator, " "), "NVIDIA") || r.Identity.Arch == "amd64" {
			r.Absent = append(r.Absent, *absent)
		}
		return
	}
	defer lib.Close()
	gpus, err := lib.GPUs()
	if err != nil {
		r.Absent = append(r.Absent, device.Absence{What: "NVML", Reason: err.Error(), Cure: "nvidia-smi shows what is wrong"})
	}
	r.GPUs = gpus
	for i := range gpus {
		if m, absent := lib.Meter(i); absent != nil {
			r.Absent = append(r.Absent, *absent)
		} else {
			r.Energy = append(r.Energy, m.Info())
		}
	}
}

// loadPatience says how long a library may take to load: reading TensorFlow's 1.3 GB from
// an SD card takes about half a minute.
const loadPatience = time.Minute

// runtimes asks every backend that needs a native library what answers, each in a
// process of its own: a library that crashes as it is loaded takes that one along.
func runtimes(ctx context.Context) ([]runtimeReport, error) {
	child, err := prober(loadPatience)
	if err != nil {
		return nil, err
	}
	var out []runtimeReport
	for _, m := range new(backendOptions).runtimes() {
		if m.name == sim.Name {
			continue
		}
		p := child.Ask(ctx, m.name, "", nil)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r := runtimeReport{Name: m.name, Version: p.Version, Path: p.Path, SHA256: p.SHA256, Providers: p.Providers}
		if p.Error != "" {
			r = runtimeReport{Name: m.name, Reason: p.Error, Cure: p.Hint}
		}
		out = append(out, r)
	}
	return out, nil
}

// print lays the report out for 80 columns.
func (r *deviceReport) print(w io.Writer) error {
	p := &columns{w: w}
	id := r.Identity
	name := id.Model
	if id.SoC != "" && !strings.Contains(name, id.SoC) {
		name += " (" + id.SoC + ")"
	}
	p.row("device", name)
	p.row("id", r.ID+" on cores "+r.Cores.String())
	system := []string{}
	for _, s := range []string{id.Release, "kernel " + id.Kernel, id.Arch, id.Virtual} {
		if s != "" && s != "kernel " {
			system = append(system, s)
		}
	}
	p.row("system", strings.Join(system, ", "))
	if id.Incomplete != "" {
		p.row("incomplete", id.Incomplete+": this is not all that the device is, and nothing can be recorded under its ID")
	}
	if id.Emulated != "" {
		p.row("emulated", "by "+id.Emulated)
	}
	for i, c := range id.Topology.Clusters {
		label := "cores"
		if i > 0 {
			label = ""
		}
		text := fmt.Sprintf("%-6s %s: %d×%s", c.Name, c.CPUs, len(c.CPUs), c.Core)
		if c.MaxHz > 0 {
			text += fmt.Sprintf(", up to %.0f MHz", c.MaxHz/1e6)
		}
		p.row(label, text)
	}
	if online := id.Topology.Online(); len(online) < len(id.Topology.CPUs) {
		p.row("", "online: "+online.String())
	}
	if len(id.Topology.Allowed) > 0 {
		p.row("", "allowed to this process: "+id.Topology.Allowed.String())
	}
	if q := r.State.CPUQuota; q != nil {
		p.row("", fmt.Sprintf("quota: %.2g CPUs' worth of time", *q))
	}
	if len(id.Features) > 0 {
		p.row("features", strings.Join(id.Features, " "))
	}
	if len(id.Accelerator) > 0 {
		p.row("accelerator", strings.Join(id.Accelerator, ", "))
	}
	for _, g := range r.GPUs {
		text := fmt.Sprintf("%s, driver %s, %.0f of %.0f MHz, %.0f °C", g.Name, g.Driver, g.GraphicsHz/1e6, g.MaxHz/1e6, g.Celsius)
		if len(g.Throttling) > 0 {
			text += ": " + strings.Join(g.Throttling, ", ")
		}
		p.row("gpu", text)
	}
	if id.MemoryBytes > 0 {
		text := fmt.Sprintf("%.1f GiB", float64(id.MemoryBytes)/(1<<30))
		if r.State.FreeBytes != nil {
			text += fmt.Sprintf(", %.1f GiB free", float64(*r.State.FreeBytes)/(1<<30))
		}
		if r.State.MemoryLimit != nil {
			text += fmt.Sprintf("; its control group lets this process have %.1f GiB", float64(*r.State.MemoryLimit)/(1<<30))
		}
		p.row("memory", text)
	}
	caches := lut.Caches(r.Caches).String()
	if r.CachesUnknown != "" {
		caches += ": " + r.CachesUnknown
	}
	p.row("caches", caches)
	p.clocks(r.State.Clocks)
	if hot, ok := r.State.HottestCelsius(); ok {
		p.row("temperature", fmt.Sprintf("%.0f °C at the hottest of %d sensors", hot, len(r.State.Temperatures)))
	}
	if b := r.State.Battery; b != nil {
		text := strings.ToLower(b.Status)
		if b.Percent >= 0 {
			text = fmt.Sprintf("%d %%, %s", b.Percent, text)
		}
		p.row("battery", text)
	}
	if l := r.State.Load; l != nil {
		p.row("load", fmt.Sprintf("%.2f %.2f %.2f over 1, 5, 15 minutes", l.One, l.Five, l.Fifteen))
	}
	if len(r.Runtimes) > 0 {
		p.head("runtimes")
		for _, rt := range r.Runtimes {
			if rt.Reason != "" {
				p.absent(rt.Name, rt.Reason, rt.Cure)
			} else {
				p.item("+", fmt.Sprintf("%s %s: %s", rt.Name, rt.Version, strings.Join(rt.Providers, ", ")))
			}
		}
	}
	if len(r.Energy)+len(r.Absent) > 0 {
		p.head("sensors")
	}
	for _, e := range r.Energy {
		text := fmt.Sprintf("energy of %s: %s, %s, window ≥ %v", e.Scope, e.Name, e.Kind, e.Window())
		if e.Note != "" {
			text += "; " + e.Note
		}
		p.item("+", text)
	}
	for _, a := range r.Absent {
		p.absent(a.What, a.Reason, a.Cure)
	}
	p.head("timings here: " + r.Verdict.Grade)
	if n := r.Noise; n != nil {
		p.item(" ", fmt.Sprintf("%d samples of %.0f µs: spread %.1f %%, slow tail +%.0f %%, quarter seconds differ by %.1f %%, %.1f %% preempted",
			n.Samples, n.MedianUS, n.SpreadPct, n.TailPct, n.BlockPct, n.Preempted*100))
	} else {
		p.item(" ", "not probed: judged by what the sensors say")
	}
	for _, s := range r.Verdict.Reasons {
		p.item("-", s)
	}
	for _, s := range r.Verdict.Advice {
		p.item(">", s)
	}
	return p.err
}

// columns prints rows wrapped at 80 columns.
type columns struct {
	w   io.Writer
	err error
}

const (
	pageWidth  = 80
	labelWidth = 13
)

func (p *columns) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format, args...); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *columns) row(label, text string) {
	for _, line := range wrap(text, pageWidth-labelWidth) {
		p.printf("%-*s%s\n", labelWidth, label, line)
		label = ""
	}
}

func (p *columns) head(text string) { p.printf("\n%s\n", text) }

func (p *columns) item(mark, text string) {
	for _, line := range wrap(text, pageWidth-4) {
		p.printf("  %s %s\n", mark, line)
		mark = " "
	}
}

func (p *columns) absent(what, reason, cure string) {
	p.item("-", what+": "+reason)
	if cure != "" {
		p.item(" ", "> "+cure)
	}
}

// clocks prints one row for each distinct state: a server has a policy a CPU.
func (p *columns) clocks(clocks []device.Clock) {
	type key struct {
		lo, hi, limit float64
		governor      string
	}
	var order []key
	names := map[key][]string{}
	for _, c := range clocks {
		k := key{c.MinHz, c.MaxHz, c.LimitHz, c.Governor}
		if names[k] == nil {
			order = append(order, k)
		}
		name := c.Policy
		if len(c.CPUs) > 0 {
			name = "cpu " + c.CPUs.String()
		}
		names[k] = append(names[k], name)
	}
	label := "clocks"
	for _, k := range order {
		name := names[k][0]
		if n := len(names[k]); n > 1 {
			name += fmt.Sprintf(" and %d more", n-1)
		}
		text := fmt.Sprintf("%s: %.0f–%.0f MHz", name, k.lo/1e6, k.hi/1e6)
		switch {
		case k.hi == 0 && k.limit == 0:
			text = name + ": not said"
		case k.hi == 0:
			text = fmt.Sprintf("%s: up to %.0f MHz, the limits set now are not said", name, k.limit/1e6)
		case k.hi < k.limit:
			text += fmt.Sprintf(" of %.0f", k.limit/1e6)
		}
		if k.governor != "" {
			text += ", " + k.governor
		}
		p.row(label, text)
		label = ""
	}
}

// wrap breaks text at spaces; a word longer than the width stays whole.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

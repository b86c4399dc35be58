package sim

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictyaml"
	"github.com/isocost/isocost/lut"
)

// Format is the first field of a device file.
const Format = "isocost/sim-device/v1"

// Device is a simulated device. Times are microseconds where named US, seconds
// where named S; rates and slowdowns are plain numbers (1.3 is 30 % slower).
type Device struct {
	Format    string   `yaml:"format"`
	Name      string   `yaml:"name"`
	Seed      uint64   `yaml:"seed"`
	Providers []string `yaml:"providers"`

	OverheadUS float64 `yaml:"overhead_us"` // every inference
	// BoundaryUS is paid once a model for entering and leaving it (layout reorders):
	// what an operator timed alone pays and inside a network does not.
	BoundaryUS float64 `yaml:"boundary_us"`
	// SwitchUS is paid wherever neighbours compute in types that need a conversion,
	// and at the ends of a model, whose own inputs and outputs are float.
	SwitchUS       float64 `yaml:"switch_us"`
	OpenUS         float64 `yaml:"open_us"`
	FirstRunFactor float64 `yaml:"first_run_factor"` // the first run of a session against a later one

	Costs []Cost `yaml:"costs"` // the first that matches prices an operator
	// Places is the spread of an operator's cost between models: where a runtime puts its
	// buffers, what its neighbours leave in the caches. It is the σ of a normal factor with
	// mean 1 that is the same for the same context in the same model, every time.
	Contexts float64 `yaml:"places"`
	// FileUS prices a model file by its size in bytes (name: bytes).
	FileUS *Formula `yaml:"file_us"`

	Noise    Noise    `yaml:"noise"`
	Bursts   Bursts   `yaml:"bursts"`
	Drift    Drift    `yaml:"drift"`
	Throttle []Phase  `yaml:"throttle"`
	Preempt  Preempt  `yaml:"preempt"`
	Memory   MemoryOf `yaml:"memory"`
	// Power is the power the device draws; nil: it has no sensor.
	Power  *Power  `yaml:"power"`
	Faults []Fault `yaml:"faults"`
}

// Power is in watts: IdleW always, RunW more while a model runs, unless an operator
// says otherwise (Cost.W).
type Power struct {
	IdleW float64 `yaml:"idle_w"`
	RunW  float64 `yaml:"run_w"`
}

// Cost is the true cost of the operators it matches.
type Cost struct {
	Match string  `yaml:"match"` // regular expression on the key, anchored at its start
	US    Formula `yaml:"us"`
	W     float64 `yaml:"w"` // watts above idle while it runs; 0: power.run_w
	re    *regexp.Regexp
}

// Noise of single runs. Jitter is the σ of a log-normal factor with median 1.
// Interference is the mean of an exponential share added to a run, so that the
// fastest run is the truth. Wander is the σ of a log-normal factor that holds for
// WanderS seconds: what makes rounds differ.
type Noise struct {
	Jitter       float64 `yaml:"jitter"`
	Interference float64 `yaml:"interference"`
	Wander       float64 `yaml:"wander"`
	WanderS      float64 `yaml:"wander_s"`
}

// Bursts are stretches of LengthS seconds in which everything is slower, a Share
// of all time.
type Bursts struct {
	Share    float64 `yaml:"share"`
	LengthS  float64 `yaml:"length_s"`
	Slowdown float64 `yaml:"slowdown"`
}

// Drift is a linear slowdown over time; StartS is how much of it has passed at
// the beginning.
type Drift struct {
	PerHour float64 `yaml:"per_hour"`
	StartS  float64 `yaml:"start_s"`
}

// Phase is a stretch of time with its own slowdown.
type Phase struct {
	AfterS   float64 `yaml:"after_s"`
	ForS     float64 `yaml:"for_s"`
	Slowdown float64 `yaml:"slowdown"`
}

// Preempt takes the processor away for US microseconds, PerS times a second.
type Preempt struct {
	PerS float64 `yaml:"per_s"`
	US   float64 `yaml:"us"`
}

// MemoryOf says what an open session takes; beyond LimitBytes opening fails.
type MemoryOf struct {
	SessionBytes int64 `yaml:"session_bytes"`
	LimitBytes   int64 `yaml:"limit_bytes"`
}

// Fault is a way to fail. Match is a regular expression on the model's keys
// joined by spaces, or its file name. At is open or run; a fault at run strikes
// after AfterRuns runs of the session, or with Probability at each run.
type Fault struct {
	Match       string  `yaml:"match"`
	At          string  `yaml:"at"`
	Kind        string  `yaml:"kind"` // crash, abort, exit0, exit1, hang, garbage, unsupported, error, fallback, wrong
	AfterRuns   int     `yaml:"after_runs"`
	Probability float64 `yaml:"probability"`
	re          *regexp.Regexp
}

// Read reads a device file.
func Read(path string) (*Device, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("read simulated device: %w", err), "examples/sim-device.yaml is one to start from")
	}
	return Parse(path, data)
}

// Parse reads a device file's text; name stands for the file in errors.
func Parse(name string, data []byte) (*Device, error) {
	d := &Device{}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(d)
	var problems []strictyaml.Problem
	if err != nil {
		problems = strictyaml.Problems(err)
	} else {
		problems = strictyaml.Fractions(data, d)
	}
	if len(problems) > 0 {
		var errs []error
		for _, p := range problems {
			errs = append(errs, errors.New(p.At(name)))
		}
		return nil, hint.Wrap(errors.Join(errs...), "examples/sim-device.yaml shows every field")
	}
	if err := d.prepare(); err != nil {
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		at := name
		if m := lineNumber.FindStringSubmatch(text); m != nil {
			at, text = name+":"+m[1], strings.Replace(text, m[0], "", 1)
		}
		return nil, hint.Wrap(fmt.Errorf("%s: %s", at, strings.ReplaceAll(text, "\n", "; ")), "examples/sim-device.yaml shows every field")
	}
	return d, nil
}

var lineNumber = regexp.MustCompile(`line (\d+): `)

var faultKinds = map[string]bool{"crash": true, "abort": true, "exit0": true, "exit1": true, "hang": true, "garbage": true,
	"unsupported": true, "error": true, "fallback": true, "wrong": true}

// prepare checks the device and compiles its patterns.
func (d *Device) prepare() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if d.Format != Format {
		bad("format: %.60q is not %q", d.Format, Format)
	}
	if len(d.Providers) == 0 {
		d.Providers = []string{"cpu"}
	}
	if d.FirstRunFactor == 0 {
		d.FirstRunFactor = 1
	}
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"overhead_us", d.OverheadUS}, {"boundary_us", d.BoundaryUS}, {"switch_us", d.SwitchUS}, {"open_us", d.OpenUS}, {"first_run_factor", d.FirstRunFactor},
		{"noise.jitter", d.Noise.Jitter}, {"noise.interference", d.Noise.Interference}, {"noise.wander", d.Noise.Wander},
		{"noise.wander_s", d.Noise.WanderS}, {"bursts.share", d.Bursts.Share}, {"bursts.length_s", d.Bursts.LengthS},
		{"places", d.Contexts}, {"bursts.slowdown", d.Bursts.Slowdown}, {"preempt.per_s", d.Preempt.PerS}, {"preempt.us", d.Preempt.US},
	} {
		if !(f.v >= 0 && f.v <= 1e12) {
			bad("%s: %v is not from 0 to 1e12", f.name, f.v)
		}
	}
	if p := d.Power; p != nil && !(p.IdleW >= 0 && p.IdleW <= 1e6 && p.RunW > 0 && p.RunW <= 1e6) {
		bad("power needs idle_w ≥ 0 and run_w > 0")
	}
	if d.Noise.Wander > 0 && d.Noise.WanderS == 0 {
		bad("noise.wander needs wander_s")
	}
	if d.Bursts.Share > 0 && (d.Bursts.LengthS == 0 || d.Bursts.Slowdown < 1 || d.Bursts.Share > 1) {
		bad("bursts need share ≤ 1, length_s > 0 and slowdown ≥ 1")
	}
	if !(math.Abs(d.Drift.PerHour) <= 1e6) {
		bad("drift.per_hour: %v is out of range", d.Drift.PerHour)
	}
	for i, p := range d.Throttle {
		if !(p.AfterS >= 0 && p.ForS > 0 && p.Slowdown >= 1) {
			bad("throttle[%d] needs after_s ≥ 0, for_s > 0 and slowdown ≥ 1", i)
		}
	}
	for i := range d.Costs {
		c := &d.Costs[i]
		var err error
		if c.re, err = regexp.Compile("^(?:" + c.Match + ")"); err != nil {
			bad("costs[%d].match: %v", i, err)
		}
		if !(c.W >= 0 && c.W <= 1e6) || c.W > 0 && d.Power == nil {
			bad("costs[%d].w: watts ≥ 0, and only beside power", i)
		}
		if c.US.root == nil {
			bad("costs[%d].us: missing", i)
		}
	}
	for i := range d.Faults {
		f := &d.Faults[i]
		var err error
		if f.re, err = regexp.Compile(f.Match); err != nil {
			bad("faults[%d].match: %v", i, err)
		}
		if f.At != "open" && f.At != "run" {
			bad("faults[%d].at: %.20q is not open or run", i, f.At)
		}
		if !faultKinds[f.Kind] {
			bad("faults[%d].kind: %.20q is unknown", i, f.Kind)
		}
		if !(f.Probability >= 0 && f.Probability <= 1) || f.AfterRuns < 0 {
			bad("faults[%d]: probability is from 0 to 1, after_runs ≥ 0", i)
		}
	}
	return errors.Join(errs...)
}

// OpMJ is the true net energy of an operator inside a network, in millijoules.
func (d *Device) OpMJ(op lut.Op) (float64, error) {
	us, w, err := d.op(op)
	return us * w / 1e3, err
}

// ModelMJ is the true net energy of a model made of operators, in millijoules.
func (d *Device) ModelMJ(chain benchmarks.Chain) (float64, error) {
	us, err := d.ModelUS(chain)
	if err != nil || d.Power == nil {
		return 0, err
	}
	mj := 0.0
	for _, op := range chain {
		opUS, w, err := d.op(op)
		if err != nil {
			return 0, err
		}
		us -= opUS
		mj += opUS * w / 1e3
	}
	return mj + us*d.Power.RunW/1e3, nil
}

// OpUS is the true cost of an operator inside a network, in microseconds.
func (d *Device) OpUS(op lut.Op) (float64, error) {
	us, _, err := d.op(op)
	return us, err
}

// op is an operator's true latency in microseconds and the watts above idle that it
// draws.
func (d *Device) op(op lut.Op) (us, watts float64, err error) {
	key := op.String()
	for _, c := range d.Costs {
		if !c.re.MatchString(key) {
			continue
		}
		vars := map[string]float64{}
		for _, a := range op.Attrs {
			if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
				vars[a.Name] = v
			}
		}
		for _, at := range op.At {
			vars[at.Axis] = float64(at.Value)
		}
		us, err := c.US.Eval(vars)
		if err == nil && us <= 0 {
			err = fmt.Errorf("the cost is %v µs", us)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("price %s: %w", key, err)
		}
		watts = c.W
		if watts == 0 && d.Power != nil {
			watts = d.Power.RunW
		}
		return us, watts, nil
	}
	return 0, 0, fmt.Errorf("the device file prices no %s", key)
}

// ModelUS is the true latency of a model made of operators: its operators, the
// conversions between them, the boundary and the overhead.
func (d *Device) ModelUS(chain benchmarks.Chain) (float64, error) {
	us := d.OverheadUS + d.BoundaryUS
	at := lut.FP32
	explicit := false
	for _, op := range append(chain[:len(chain):len(chain)], lut.Op{Precision: lut.FP32}) {
		here := benchmarks.Converts(op)
		if !here && !explicit && benchmarks.NeedsSwitch(at, op.Precision) {
			us += d.SwitchUS
		}
		at, explicit = op.Precision, here
	}
	context := d.contexts(chain)
	for _, op := range chain {
		c, err := d.OpUS(op)
		if err != nil {
			return 0, err
		}
		us += c * context()
	}
	return us, nil
}

// contexts returns the factors of a model's operators, one after another.
func (d *Device) contexts(chain benchmarks.Chain) func() float64 {
	if d.Contexts == 0 {
		return func() float64 { return 1 }
	}
	h := fnv.New64a()
	h.Write([]byte(chain.String()))
	rng := rand.New(rand.NewPCG(d.Seed, h.Sum64()))
	return func() float64 { return max(0, 1+d.Contexts*rng.NormFloat64()) }
}

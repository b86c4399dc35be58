package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictyaml"
	"github.com/isocost/isocost/lut"
)

// ProtocolFormat is the first field of a protocol file.
const ProtocolFormat = "isocost/protocol/v1"

// Estimator says how a model's latency is estimated.
type Estimator string

// The estimators.
const (
	EstimatorMedian   Estimator = "median"   // of the rounds' medians: a device that runs nothing else
	EstimatorQuantile Estimator = "quantile" // a low quantile of the rounds' minima: a mildly shared host
	EstimatorMin      Estimator = "min"      // over all rounds: a shared or virtual host, where interference only adds
)

// Protocol is everything a measured cost depends on besides the device and the
// model. Its canonical text and SHA-256 travel with every record file, and
// files of different protocols never mix. Times are seconds, ratios are plain
// numbers (0.01 is 1 %).
type Protocol struct {
	Format string `yaml:"format"`

	// What is run. Batch, Resolution and Sequence give values to a model's symbolic
	// dimensions of those meanings; 0 leaves them to the plan or --dim.
	Batch      int `yaml:"batch"`
	Resolution int `yaml:"resolution"`
	Sequence   int `yaml:"sequence"`

	// Metrics lists what is measured: latency always, energy and memory in a second pass.
	Metrics []lut.Metric `yaml:"metrics"`

	Threads int    `yaml:"threads"` // intra-op threads
	Cores   string `yaml:"cores"`   // clusters (little, mid, big, prime) or CPUs (0-3,6); "" all
	// Transfers includes host–device copies in a run.
	Transfers bool   `yaml:"transfers"`
	Seed      uint64 `yaml:"seed"`

	Warmup      Warmup      `yaml:"warmup"`
	ModelWarmup ModelWarmup `yaml:"model_warmup"`
	Sample      Sample      `yaml:"sample"`
	Estimator   Estimator   `yaml:"estimator"`
	Quantile    float64     `yaml:"quantile"` // of estimator quantile
	Stop        Stop        `yaml:"stop"`
	Drift       Drift       `yaml:"drift"`
	Clock       string      `yaml:"clock"` // observe, fixed-performance, locked
	Thermal     Thermal     `yaml:"thermal"`
	Energy      Energy      `yaml:"energy"`
	Check       Checks      `yaml:"check"`
	Limits      Limits      `yaml:"limits"`
}

// Warmup brings the device to its working clocks: on the drift reference, before a
// group's first round and after every pause. It ends after Runs runs, Seconds
// and convergence – the fast moving average within Within of the slow one for
// StableRuns runs – or at MaxSeconds.
type Warmup struct {
	Runs       int     `yaml:"runs"`
	Seconds    float64 `yaml:"seconds"`
	FastEMA    float64 `yaml:"fast_ema"`
	SlowEMA    float64 `yaml:"slow_ema"`
	Within     float64 `yaml:"within"`
	StableRuns int     `yaml:"stable_runs"`
	MaxSeconds float64 `yaml:"max_seconds"`
}

// ModelWarmup warms each model up when it is opened: Runs runs, cut short at
// MaxSeconds but never below two, so that lazy allocation and weight packing are
// over. The device is warm by then.
type ModelWarmup struct {
	Runs       int     `yaml:"runs"`
	MaxSeconds float64 `yaml:"max_seconds"`
}

// Sample says how samples are taken.
type Sample struct {
	// MinSeconds is the shortest sample; shorter runs are repeated inside it.
	MinSeconds float64 `yaml:"min_seconds"`
	PerVisit   int     `yaml:"per_visit"` // samples taken each time the round comes by
	Discard    int     `yaml:"discard"`   // runs at the start of a visit: the previous model's data is in the caches
}

// Stop says when a case is known well enough.
type Stop struct {
	// Interval is the half width of the interval, relative to the cost.
	Interval float64 `yaml:"interval"`
	// Floor keeps a marginal cost that is small beside its frame from being chased:
	// Interval is taken of the larger of the cost and Floor times the most expensive term.
	Floor      float64 `yaml:"floor"`
	Level      float64 `yaml:"level"` // of the interval
	MinRounds  int     `yaml:"min_rounds"`
	MaxRounds  int     `yaml:"max_rounds"`
	MinSamples int     `yaml:"min_samples"` // of each model
	MaxSeconds float64 `yaml:"max_seconds"` // of samples of one model
	// NoisyAbove flags a finished case whose relative half width is larger.
	NoisyAbove float64 `yaml:"noisy_above"`
}

// Drift says how the drift reference, a model measured again through the campaign, is
// used.
type Drift struct {
	ReferenceVisits int `yaml:"anchor_visits"` // per round
	// Allow says how far the reference may move without consequence. Beyond it visits are
	// divided by the reference's own curve when Correct is set; beyond Limit, or beyond
	// Allow without Correct, records are flagged.
	Allow   float64 `yaml:"allow"`
	Correct bool    `yaml:"correct"`
	Limit   float64 `yaml:"limit"`
}

// Thermal is the gate before rounds and the evidence of throttling.
type Thermal struct {
	// GateCelsius opens below this temperature; 0 leaves the gate open.
	GateCelsius float64 `yaml:"gate_celsius"`
	GateSeconds float64 `yaml:"gate_seconds"` // wait at most
	// Slowdown of the drift reference within a round that voids the round; the round is redone
	// at most Redo times per group.
	Slowdown   float64 `yaml:"slowdown"`
	Redo       int     `yaml:"redo"`
	MinBattery float64 `yaml:"min_battery"` // percent
}

// Energy is the window of the second pass.
type Energy struct {
	WindowSeconds  float64 `yaml:"window_seconds"`
	CounterPeriods int     `yaml:"counter_periods"` // updates of the counter that the window spans at least
	IdleSeconds    float64 `yaml:"idle_seconds"`    // before and after
}

// Checks are done outside the timed rounds.
type Checks struct {
	Placement bool `yaml:"placement"` // prove where nodes run, when the provider is not cpu
	// Numeric compares, after the rounds, the outputs of models of reduced precision and
	// of other providers with fp32 on the CPU.
	Numeric bool `yaml:"numeric"`
	// Tolerance is the largest relative RMS error by precision. Outputs that have
	// nothing to do with the reference's are off by √2 and more.
	Tolerance map[string]float64 `yaml:"tolerance"`
}

// Limits bound what a broken driver can cost.
type Limits struct {
	OpenSeconds  float64 `yaml:"open_seconds"`
	VisitSeconds float64 `yaml:"visit_seconds"`
	Attempts     int     `yaml:"attempts"` // crashes of one model before it is quarantined
}

// DefaultProtocol holds what agent bench does unless told otherwise. Sources: AndroidX Microbenchmark
// WarmupManager.kt (warm-up), TVM min_repeat_ms (1 ms samples on a CPU; use 0.010
// on a GPU), Android's thermal and NNAPI guidance for the 10 % and 300 s; the
// rest is argued in docs/decisions/0201 and 0202.
func DefaultProtocol() Protocol {
	return Protocol{
		Format: ProtocolFormat,
		Batch:  1, Metrics: []lut.Metric{lut.Latency}, Threads: 1, Seed: 1,
		Warmup:      Warmup{Runs: 10, Seconds: 0.5, FastEMA: 0.1, SlowEMA: 0.005, Within: 0.04, StableRuns: 40, MaxSeconds: 8},
		ModelWarmup: ModelWarmup{Runs: 10, MaxSeconds: 0.1},
		Sample:      Sample{MinSeconds: 0.001, PerVisit: 5, Discard: 1},
		Estimator:   EstimatorMedian, Quantile: 0.25,
		Stop: Stop{Interval: 0.01, Floor: 0.05, Level: 0.95, MinRounds: 6, MaxRounds: 200, MinSamples: 50,
			MaxSeconds: 10, NoisyAbove: 0.10},
		Drift:   Drift{ReferenceVisits: 3, Allow: 0.01, Correct: true, Limit: 0.10},
		Clock:   "observe",
		Thermal: Thermal{GateSeconds: 300, Slowdown: 0.10, Redo: 2, MinBattery: 20},
		Energy:  Energy{WindowSeconds: 5, CounterPeriods: 50, IdleSeconds: 2},
		Check: Checks{Placement: true, Numeric: true, Tolerance: map[string]float64{
			// Rounding errors of layers are independent and add in quadrature; the bounds are
			// three standard deviations after the layers of a deep network (50, int8 54 tensors).
			// TF32, the CUDA provider's default: both factors rounded, 2⁻¹¹·√(2/3) a layer; 3·√50 of it.
			"fp32": 0.01,
			// Sums of a few hundred products rounded one by one, √300·2⁻¹¹/√3 a layer.
			"fp16": 0.1,
			// Both factors and the result rounded, 2⁻⁹ a layer.
			"bf16": 0.05,
			// A step of a tensor that covers ±5σ in 255 is 10σ/255, its rounding error
			// 0.0113σ; weights (±√3σ, per channel) add 0.0039 in 254 steps: 3·0.0119·√54 = 0.26.
			// In 126 steps, which our own have, they add 0.0079: 0.25 is 2.5 deviations then.
			"int8": 0.25, "int8dyn": 0.25,
			"int8w": 0.1, // weights alone: 3·0.0039·√50 = 0.083
		}},
		Limits: Limits{OpenSeconds: 120, VisitSeconds: 60, Attempts: 2},
	}
}

// ReadProtocol reads a protocol file over the defaults; see ParseProtocol.
func ReadProtocol(path string) (Protocol, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Protocol{}, hint.Wrap(fmt.Errorf("read protocol: %w", err), "agent bench --print-protocol shows one to start from")
	}
	return ParseProtocol(path, data)
}

// ParseProtocol reads a protocol's text over the defaults: a field left out keeps
// its default. name stands for the file in errors, which are all reported, each
// with its line.
func ParseProtocol(name string, data []byte) (Protocol, error) {
	p := DefaultProtocol()
	const cure = "agent bench --print-protocol shows every field with its default"
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	p.Format = ""
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return Protocol{}, hint.Wrap(yamlError(name, err), "%s", cure)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Protocol{}, hint.Wrap(fmt.Errorf("%s: more than one document", name), "%s", cure)
	}
	var cut []error
	for _, q := range strictyaml.Fractions(data, &p) {
		cut = append(cut, errors.New(q.At(name)))
	}
	if len(cut) > 0 {
		return Protocol{}, hint.Wrap(errors.Join(cut...), "%s", cure)
	}
	problems := p.problems()
	if len(problems) == 0 {
		return p, nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Protocol{}, yamlError(name, err)
	}
	var errs []error
	for _, q := range problems {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", name, lineOf(&root, q.field), q.field, q.what))
	}
	return Protocol{}, hint.Wrap(errors.Join(errs...), "%s", cure)
}

// Validate lists every problem of a protocol made in code.
func (p *Protocol) Validate() error {
	var errs []error
	for _, q := range p.problems() {
		errs = append(errs, fmt.Errorf("protocol: %s: %s", q.field, q.what))
	}
	return errors.Join(errs...)
}

type problem struct{ field, what string }

func (p *Protocol) problems() []problem {
	var out []problem
	need := func(ok bool, field, format string, args ...any) {
		if !ok {
			out = append(out, problem{field, fmt.Sprintf(format, args...)})
		}
	}
	within := func(field string, v, lo, hi float64) {
		need(v >= lo && v <= hi, field, "%v is not from %v to %v", v, lo, hi)
	}
	need(p.Format == ProtocolFormat, "format", "%.60q is not %q", p.Format, ProtocolFormat)
	within("batch", float64(p.Batch), 0, 1<<16)
	within("resolution", float64(p.Resolution), 0, 1<<16)
	within("sequence", float64(p.Sequence), 0, 1<<24)
	need(slices.Contains(p.Metrics, lut.Latency), "metrics", "latency is always measured; list it")
	for i, m := range p.Metrics {
		need(slices.Contains([]lut.Metric{lut.Latency, lut.Energy, lut.Memory}, m), "metrics", "%.40q is not latency, energy or memory", m)
		need(!slices.Contains(p.Metrics[:i], m), "metrics", "%.40q twice", m)
	}
	within("threads", float64(p.Threads), 1, 4096)
	need(coreSet.MatchString(p.Cores), "cores", "%.60q is neither little, mid, big, prime nor a list such as 0-3,6", p.Cores)
	within("warmup.runs", float64(p.Warmup.Runs), 0, 1e6)
	within("warmup.seconds", p.Warmup.Seconds, 0, 3600)
	within("warmup.fast_ema", p.Warmup.FastEMA, 1e-6, 1)
	within("warmup.slow_ema", p.Warmup.SlowEMA, 1e-6, p.Warmup.FastEMA)
	within("warmup.within", p.Warmup.Within, 1e-6, 1)
	within("warmup.stable_runs", float64(p.Warmup.StableRuns), 0, 1e6)
	within("warmup.max_seconds", p.Warmup.MaxSeconds, p.Warmup.Seconds, 3600)
	within("model_warmup.runs", float64(p.ModelWarmup.Runs), 2, 1e6)
	within("model_warmup.max_seconds", p.ModelWarmup.MaxSeconds, 0, 3600)
	within("sample.min_seconds", p.Sample.MinSeconds, 0, 60)
	within("sample.per_visit", float64(p.Sample.PerVisit), 1, 1e5)
	within("sample.discard", float64(p.Sample.Discard), 0, 1e5)
	need(slices.Contains([]Estimator{EstimatorMedian, EstimatorQuantile, EstimatorMin}, p.Estimator), "estimator",
		"%.40q is not median, quantile or min", p.Estimator)
	within("quantile", p.Quantile, 0.01, 0.5)
	within("stop.interval", p.Stop.Interval, 1e-5, 1)
	within("stop.floor", p.Stop.Floor, 0, 1)
	within("stop.level", p.Stop.Level, 0.5, 0.9999)
	within("stop.min_rounds", float64(p.Stop.MinRounds), 1, 1e6)
	within("stop.max_rounds", float64(p.Stop.MaxRounds), float64(p.Stop.MinRounds), 1e6)
	within("stop.min_samples", float64(p.Stop.MinSamples), 1, 1e7)
	within("stop.max_seconds", p.Stop.MaxSeconds, 1e-6, 1e6)
	within("stop.noisy_above", p.Stop.NoisyAbove, p.Stop.Interval, math.MaxFloat64)
	within("drift.anchor_visits", float64(p.Drift.ReferenceVisits), 1, 1000)
	within("drift.allow", p.Drift.Allow, 0, 1)
	within("drift.limit", p.Drift.Limit, p.Drift.Allow, 10)
	need(slices.Contains([]string{"observe", "fixed-performance", "locked"}, p.Clock), "clock",
		"%.40q is not observe, fixed-performance or locked", p.Clock)
	within("thermal.gate_celsius", p.Thermal.GateCelsius, 0, 200)
	within("thermal.gate_seconds", p.Thermal.GateSeconds, 0, 86400)
	within("thermal.slowdown", p.Thermal.Slowdown, 1e-3, 10)
	within("thermal.redo", float64(p.Thermal.Redo), 0, 100)
	within("thermal.min_battery", p.Thermal.MinBattery, 0, 100)
	within("energy.window_seconds", p.Energy.WindowSeconds, 0.01, 86400)
	within("energy.counter_periods", float64(p.Energy.CounterPeriods), 1, 1e6)
	within("energy.idle_seconds", p.Energy.IdleSeconds, 0, 86400)
	for name, v := range p.Check.Tolerance {
		need(slices.Contains(lut.Precisions, lut.Precision(name)), "check.tolerance", "unknown precision %q; there are %v", name, lut.Precisions)
		need(v > 0 && v <= 10, "check.tolerance", "%s: %v is not from 0 to 10", name, v)
	}
	within("limits.open_seconds", p.Limits.OpenSeconds, 1e-3, 86400)
	within("limits.visit_seconds", p.Limits.VisitSeconds, 1e-3, 86400)
	within("limits.attempts", float64(p.Limits.Attempts), 1, 100)
	slices.SortStableFunc(out, func(a, b problem) int { return strings.Compare(a.field, b.field) })
	return out
}

var coreSet = regexp.MustCompile(`^(|(all|little|mid|big|prime|[0-9]+(-[0-9]+)?)(,(all|little|mid|big|prime|[0-9]+(-[0-9]+)?))*)$`)

// Canonical is the text that is hashed: every field in order, defaults filled
// in, no comments.
func (p Protocol) Canonical() string {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(p); err != nil {
		panic("agent: a protocol of plain fields failed to encode: " + err.Error())
	}
	return b.String()
}

// SHA256 is the hash of the canonical text, in hex.
func (p Protocol) SHA256() string {
	sum := sha256.Sum256([]byte(p.Canonical()))
	return hex.EncodeToString(sum[:])
}

// yamlError turns the yaml package's errors into name:line: lines.
func yamlError(name string, err error) error {
	var errs []error
	for _, p := range strictyaml.Problems(err) {
		errs = append(errs, errors.New(p.At(name)))
	}
	return errors.Join(errs...)
}

// lineOf finds the line of a dotted field, or of its nearest present parent.
func lineOf(root *yaml.Node, field string) int {
	n, line := root, 1
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for part := range strings.SplitSeq(field, ".") {
		found := false
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == part {
				line, n, found = n.Content[i].Line, n.Content[i+1], true
				break
			}
		}
		if !found {
			break
		}
	}
	return line
}

// Package record is the append-only measurement log: a header that says under
// which protocol, device and library the campaign ran, then one JSON object a
// line. A number without its evidence cannot be written: every estimate carries
// samples, interval, stop reason and validity.
package record

import (
	"strings"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
)

// Format is the first field of every record file; see FormatV1 for older ones.
const Format = "isocost/records/v2"

// Validity says what is known against a record. An empty list never occurs: a good
// record says "ok".
type Validity string

// The codes; a crash is CrashedPrefix with the signal or the exit reason.
const (
	OK              Validity = "ok"
	Fallback        Validity = "fallback"         // part of the model ran on another provider
	Throttled       Validity = "throttled"        // clocks were capped while measuring
	Drift           Validity = "drift"            // the drift reference moved more than the protocol allows
	Noisy           Validity = "noisy"            // the interval stayed wider than the protocol's noisy_above, or the cost is not positive
	Preempted       Validity = "preempted"        // too few samples free of preemption
	LowBattery      Validity = "low-battery"      //
	ThermalTimeout  Validity = "thermal-timeout"  // the gate did not open in time
	NumericMismatch Validity = "numeric-mismatch" // output differs from CPU fp32
	Timeout         Validity = "timeout"          //
	Unsupported     Validity = "unsupported"      // the runtime rejects the model
	EmulatedCPU     Validity = "emulated-cpu"     // an emulator ran the code; timings mean nothing
)

// CrashedPrefix begins the validity of a crash; see Crashed.
const CrashedPrefix = "crashed:"

// Crashed is the validity of a crash: by a signal, an exit code or another reason.
func Crashed(reason string) Validity { return CrashedPrefix + Validity(reason) }

// Join is strings.Join for codes.
func Join(codes []Validity, sep string) string {
	texts := make([]string, len(codes))
	for i, c := range codes {
		texts[i] = string(c)
	}
	return strings.Join(texts, sep)
}

// Stop says why no more samples were taken.
type Stop string

// The reasons for stopping.
const (
	StopTarget     Stop = "target"      // the interval is narrow enough
	StopMaxSamples Stop = "max-samples" // max_rounds or max_seconds of the case
	StopMaxTime    Stop = "max-time"    // the campaign's time was over
	StopFailed     Stop = "failed"      // there is no cost
)

// Header is the first line of a record file.
type Header struct {
	Format   string            `json:"format"`
	Agent    string            `json:"agent"`    // agent version
	Started  string            `json:"started"`  // RFC 3339, UTC
	Plan     string            `json:"plan"`     // SHA-256 of the canonical plan
	Protocol lut.Protocol      `json:"protocol"` // with its text
	Device   lut.Device        `json:"device"`   // two files of different devices never mix
	Runtime  lut.Runtime       `json:"runtime"`
	Flags    map[string]string `json:"flags,omitempty"`
}

// Interval is a closed interval [lo, hi] in the unit of the field that holds it.
type Interval [2]float64

// Record is the result of one case. Latency fields are microseconds. A failed
// case has no estimate (nil pointers), never a zero.
type Record struct {
	Kind      role.Role  `json:"kind"`
	Case      string     `json:"case"`
	Name      string     `json:"name,omitempty"`
	Set       role.Set   `json:"set,omitempty"`
	Key       *lut.Op    `json:"key,omitempty"`
	Ops       []lut.Op   `json:"ops,omitempty"` // e2e: the keys its cost should be the sum of
	Validity  []Validity `json:"validity"`
	Detail    string     `json:"detail,omitempty"` // what went wrong, for people
	Execution Execution  `json:"execution,omitempty"`

	// The case's value Σ Coef·T(model) under the protocol's estimator; for a cell
	// this is the marginal cost.
	EstimateUS     *float64  `json:"estimate_us,omitempty"`
	CI95US         *Interval `json:"ci95_us,omitempty"`
	N              int       `json:"n"` // samples behind the estimate, all terms
	MedianUS       *float64  `json:"median_us,omitempty"`
	MADUS          *float64  `json:"mad_us,omitempty"`     // median absolute deviation
	WithinUS       *float64  `json:"within_us,omitempty"`  // standard deviation within rounds
	BetweenUS      *float64  `json:"between_us,omitempty"` // and between rounds
	Rounds         int       `json:"rounds"`
	Stop           Stop      `json:"stop"`
	ReferenceRatio *float64  `json:"anchor_ratio,omitempty"` // the drift reference at the end / at the start

	// GroupRatio is the drift reference's time in this case's group over its time in the
	// first, by which the costs are divided; 0 in the first group.
	GroupRatio float64 `json:"group_ratio,omitempty"`

	IsolatedUS *float64 `json:"isolated_us,omitempty"` // the whole one-case model
	// SecondContextUS is the same operator's marginal cost in a second context.
	SecondContextUS *float64 `json:"elsewhere_us,omitempty"`
	// Context is the standard deviation of a marginal cost between contexts, relative to
	// the cost, that CI95US holds besides the samples' own: by the campaign's cells that
	// have an SecondContextUS.
	Context float64       `json:"context,omitempty"`
	Terms   []TermSamples `json:"terms,omitempty"`

	Energy *Energy `json:"energy,omitempty"`
	Memory *Memory `json:"memory,omitempty"`
}

// TermSamples is the evidence of one term: how its model's latency was found.
type TermSamples struct {
	Coef       float64  `json:"coef"`
	Model      string   `json:"model"`
	EstimateUS float64  `json:"estimate_us"`
	CI95US     Interval `json:"ci95_us"`
	N          int      `json:"n"`
	Preempted  int      `json:"preempted"` // samples marked and left out
	Outliers   int      `json:"outliers"`  // Tukey-labelled, kept
}

// Energy of one inference in millijoules, per the protocol's window. Of a case with
// several terms it is Σ Coef·E(model), whose parts may be negative, WindowS is the
// shortest window, and StdErrMJ is √Σ (Coef·StdErr)².
type Energy struct {
	GrossMJ  float64 `json:"gross_mj"`
	IdleMJ   float64 `json:"idle_mj"`
	NetMJ    float64 `json:"net_mj"`
	StdErrMJ float64 `json:"std_err_mj"`
	Source   string  `json:"source"`
	WindowS  float64 `json:"window_s"`
}

// Memory of one model in bytes; absent figures are nil. They leave out a network's
// inputs and outputs, which are the caller's.
//
// A cell's figures are of its operator. Where the runtime's requests were counted
// they are those of the model that frames it: its frame takes less, its input and
// output are within. Otherwise LivenessBytes alone is there, of the operator's own
// graph, its input and output included.
type Memory struct {
	// WeightsBytes counts what the allocator held after initialisation, or the model's
	// constants where those are more (a runtime may use them where they lie).
	WeightsBytes *int64 `json:"weights_bytes,omitempty"`
	PeakActBytes *int64 `json:"peak_activation_bytes,omitempty"` // MaxInUse − InUse after initialisation
	// LivenessBytes is planned, without running anything: by the runtime's rules
	// over its own optimised graph where it shows that, else the tensors alive at once in
	// the model's graph as it was made.
	LivenessBytes *int64       `json:"liveness_bytes,omitempty"`
	PeakRSSBytes  *int64       `json:"peak_rss_bytes,omitempty"`
	Source        MemorySource `json:"source,omitempty"` // of weights and activations
}

// Package record is the append-only measurement log: a header that says under
// which protocol, device and library the campaign ran, then one JSON object a
// line. A number without its evidence cannot be written: every estimate carries
// samples, interval, stop reason and validity.
package record

import "github.com/isocost/isocost/lut"

// Format is the first field of every record file.
const Format = "isocost/records/v1"

// Validity codes. An empty list never occurs: a good record says "ok".
const (
	OK              = "ok"
	Fallback        = "fallback"         // part of the model ran on another provider
	Throttled       = "throttled"        // clocks were capped while measuring
	Drift           = "drift"            // the anchor moved more than the protocol allows
	Noisy           = "noisy"            // the interval stayed wider than the protocol's noisy_above, or the cost is not positive
	Preempted       = "preempted"        // too few samples free of preemption
	LowBattery      = "low-battery"      //
	ThermalTimeout  = "thermal-timeout"  // the gate did not open in time
	NumericMismatch = "numeric-mismatch" // output differs from CPU fp32
	Timeout         = "timeout"          //
	Unsupported     = "unsupported"      // the runtime rejects the model
	EmulatedCPU     = "emulated-cpu"     // an emulator ran the code; timings mean nothing
	CrashedPrefix   = "crashed:"         // followed by the signal or exit reason
)

// Header is the first line of a record file.
type Header struct {
	Format   string            `json:"format"`
	Agent    string            `json:"agent"`    // agent version
	Started  string            `json:"started"`  // RFC 3339, UTC
	Plan     string            `json:"plan"`     // SHA-256 of the canonical plan
	Protocol Protocol          `json:"protocol"` // canonical text and hash
	Device   Device            `json:"device"`
	Runtime  Runtime           `json:"runtime"`
	Flags    map[string]string `json:"flags,omitempty"`
}

// Protocol is the protocol under which every record of the file was taken.
type Protocol struct {
	SHA256 string `json:"sha256"`
	YAML   string `json:"yaml"` // canonical text
}

// Device identifies the machine; two files of different devices never mix.
type Device struct {
	ID    string `json:"id"` // stable: hash of model, CPU, core set
	Model string `json:"model"`
	CPU   string `json:"cpu"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Cores string `json:"cores"` // the core set measured on
}

// Runtime identifies the library that ran the models.
type Runtime struct {
	Backend  string `json:"backend"` // ort, tflite, tensorflow, sim
	Version  string `json:"version"`
	SHA256   string `json:"sha256"` // of the library file
	Provider string `json:"provider"`
	Threads  int    `json:"threads"`
	// Options are those given to the provider and the session, "NAME=VALUE" in the
	// order of their names, separated by a space; they are part of what was measured.
	Options string `json:"options,omitempty"`
	// Features are parts of the library that were on and chose its kernels, likewise:
	// "onednn=on isa=AVX2". "" where the library has no such choice, and in files of TensorFlow
	// made before it was written down.
	Features string `json:"features,omitempty"`
}

// Interval is a closed interval [lo, hi] in the unit of the field that holds it.
type Interval [2]float64

// Record is the result of one case. Latency fields are microseconds. A failed
// case has no estimate (nil pointers), never a zero.
type Record struct {
	Kind      string   `json:"kind"` // cell, e2e, anchor, overhead (benchmarks.Role…)
	Case      string   `json:"case"`
	Name      string   `json:"name,omitempty"`
	Set       string   `json:"set,omitempty"`
	Key       *lut.Op  `json:"key,omitempty"`
	Ops       []lut.Op `json:"ops,omitempty"` // e2e: the keys its cost should be the sum of
	Validity  []string `json:"validity"`
	Detail    string   `json:"detail,omitempty"`    // what went wrong, for people
	Execution string   `json:"execution,omitempty"` // native or emulated (precision)

	// The case's value Σ Coef·T(model) under the protocol's estimator; for a cell
	// this is the marginal cost.
	EstimateUS  *float64  `json:"estimate_us,omitempty"`
	CI95US      *Interval `json:"ci95_us,omitempty"`
	N           int       `json:"n"` // samples behind the estimate, all terms
	MedianUS    *float64  `json:"median_us,omitempty"`
	MADUS       *float64  `json:"mad_us,omitempty"`     // median absolute deviation
	WithinUS    *float64  `json:"within_us,omitempty"`  // standard deviation within rounds
	BetweenUS   *float64  `json:"between_us,omitempty"` // and between rounds
	Rounds      int       `json:"rounds"`
	Stop        string    `json:"stop"`                   // target, max-samples, max-time, failed…
	AnchorRatio *float64  `json:"anchor_ratio,omitempty"` // anchor now / anchor at start

	IsolatedUS *float64 `json:"isolated_us,omitempty"` // the whole one-case model
	// ElsewhereUS is the same operator's marginal cost beside another neighbour.
	ElsewhereUS *float64 `json:"elsewhere_us,omitempty"`
	// Context is the standard deviation of a marginal cost between places, relative to
	// the cost, that CI95US holds besides the samples' own: by the campaign's cells that
	// have an ElsewhereUS.
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

// Requests is the source of memory figures that were counted block by block, as the
// runtime asked for them.
const Requests = "requests"

// Memory of one model in bytes; absent figures are nil. A network's inputs and outputs
// are the caller's and in none of them.
//
// A cell's figures are of its operator. Where the runtime's requests were counted
// they are those of the model that frames it: its frame takes less, its input and
// output are within. Elsewhere LivenessBytes alone is there, of the operator's own
// graph, its input and output included.
type Memory struct {
	// WeightsBytes is what the allocator held after initialisation, or the model's
	// constants where those are more (a runtime may use them where they lie).
	WeightsBytes *int64 `json:"weights_bytes,omitempty"`
	PeakActBytes *int64 `json:"peak_activation_bytes,omitempty"` // MaxInUse − InUse after initialisation
	// LivenessBytes is what a plan says without running anything: by the runtime's rules
	// over its own optimised graph where it shows that, else the tensors alive at once in
	// the model's graph as it was made.
	LivenessBytes *int64 `json:"liveness_bytes,omitempty"`
	PeakRSSBytes  *int64 `json:"peak_rss_bytes,omitempty"`
	// Source of weights and activations: requests, what the runtime asked for, counted
	// block by block; allocator, the runtime's own statistics, rounded up by its arena;
	// malloc, the growth of the process's heap; "" where nobody counted and weights are
	// the model's constants.
	Source string `json:"source,omitempty"`
}

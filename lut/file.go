package lut

import (
	"cmp"
	"fmt"
)

// Format is the first field of every table file.
const Format = "isocost/lut/v1"

// Metric names the quantity a table holds.
type Metric string

// The metrics, and the unit of each.
const (
	Latency Metric = "latency" // us: microseconds of one inference
	Energy  Metric = "energy"  // mj: net millijoules of one inference
	Memory  Metric = "memory"  // bytes: activations alive while the operator runs
)

// Policy says how Corrected comes from Raw.
type Policy string

// The policies.
const (
	// PolicyIsotonic projects on the monotone cone, but a significant fall is kept: what
	// noise can explain is smoothed, what it cannot is reported.
	PolicyIsotonic Policy = "isotonic"
	// PolicyRegime takes a significant fall for a switch of the runtime at that value of
	// the axis and splits the whole family there.
	PolicyRegime Policy = "regime"
	// PolicyStrict projects on the whole cone, even against the evidence.
	PolicyStrict Policy = "strict"
	// PolicyRaw corrects nothing.
	PolicyRaw Policy = "raw"
)

// Policies lists them, the default first.
var Policies = []Policy{PolicyIsotonic, PolicyRegime, PolicyStrict, PolicyRaw}

// Units maps a metric to the one unit its tables use.
var Units = map[Metric]string{Latency: "us", Energy: "mj", Memory: "bytes"}

// File is a table as it is stored: plain data. New turns it into a Table that
// answers queries; Table.File gives it back. All costs are in Unit.
type File struct {
	Format      string       `json:"format"`
	Metric      Metric       `json:"metric"`
	Unit        string       `json:"unit"`
	Policy      Policy       `json:"policy"`
	Device      Device       `json:"device"`
	Runtime     Runtime      `json:"runtime"`
	Protocol    Protocol     `json:"protocol"`
	Inputs      []Input      `json:"inputs"`   // what it was compiled from, sorted
	Warnings    []Warning    `json:"warnings"` // what the compiler wants its reader to know
	Expires     []string     `json:"expires"`  // when to measure again, for people
	Overhead    *Overhead    `json:"overhead,omitempty"`
	Families    []Family     `json:"-"` // sorted by name and axes; written one knot a line
	Calibration *Calibration `json:"calibration,omitempty"`
	Audit       *Audit       `json:"audit,omitempty"`
	// Model prices the device beyond the knots; nil where nothing was learned.
	Model *Model `json:"-"` // written one process and one kernel a line
}

// Device is the machine whose costs these are.
type Device struct {
	ID    string `json:"id"` // stable: hash of model, CPU and core set
	Model string `json:"model"`
	CPU   string `json:"cpu"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Cores string `json:"cores"` // the core set measured on
	// Caches are those of the cores; zero where they are not known, as in a virtual machine and
	// in files made before they were written down.
	Caches Caches `json:"caches,omitzero"`
}

// Caches are sizes of caches in bytes, 0 where not known.
type Caches struct {
	Core int64 `json:"core,omitempty"` // the second level: the nearest to a core that holds a layer
	Last int64 `json:"last,omitempty"` // the last level before memory
}

// Validate fails on sizes that no cache has.
func (c Caches) Validate() error {
	if min(c.Core, c.Last) < 0 || max(c.Core, c.Last) > 1<<40 {
		return fmt.Errorf("caches of impossible sizes: %d and %d bytes", c.Core, c.Last)
	}
	return nil
}

// String is their sizes, with the usual ones in place of what is not known.
func (c Caches) String() string {
	u := c.Usual()
	text := fmt.Sprintf("%d KiB second level, %d KiB last level", u.Core>>10, u.Last>>10)
	if u != c {
		text = "taken for " + text
	}
	return text
}

// Usual are the sizes that prices and frames take for what is not known: those of the
// server core on which their shares of a cache were found.
func (c Caches) Usual() Caches {
	return Caches{cmp.Or(c.Core, 1<<20), cmp.Or(c.Last, 32<<20)}
}

// Library identifies a runtime's library and which of its providers computes.
type Library struct {
	Backend  string `json:"backend"` // ort, tflite, tensorflow, sim
	Version  string `json:"version"`
	SHA256   string `json:"sha256"` // of the library file
	Provider string `json:"provider"`
}

// Runtime is the library whose costs these are, and how it ran.
type Runtime struct {
	Library
	Threads int `json:"threads"`
	// Options are those given to the provider and the session, "NAME=VALUE" in the
	// order of their names, separated by a space; they are part of what was measured.
	Options string `json:"options,omitempty"`
	// Features are parts of the library that were on in the process and choose its
	// kernels, likewise: "onednn=on isa=AVX2" of TensorFlow, "nchwc=16" of ONNX Runtime's CPU
	// provider, the channels of a block of maps. "" where there is no such choice, and in
	// files made before it was written down.
	Features string `json:"features,omitempty"`
}

// SameFeatures says whether two runtimes may have run the same kernels: by their features,
// or where one of ONNX Runtime states none, as files from before it stated any.
func (r Runtime) SameFeatures(o Runtime) bool {
	return r.Features == o.Features || r.Backend == "ort" && (r.Features == "" || o.Features == "")
}

// Input is one thing the table was compiled from. The hash does not depend
// on the order of the records.
type Input struct {
	Kind    string `json:"kind"` // cells, calibrate, audit, import
	SHA256  string `json:"sha256"`
	Records int    `json:"records"`
}

// Overhead is the fixed cost of one inference, which no operator carries: it is
// added to every sum before calibration. Lo and Hi bound it at 95 %.
type Overhead struct {
	Value   float64  `json:"value"`
	Lo      float64  `json:"lo"`
	Hi      float64  `json:"hi"`
	N       int      `json:"n"`
	Records []string `json:"records"`
}

// NoVariance is the code of the warning that cells were published without their spread.
const NoVariance = "no-variance"

// CrossAudit is the code of the warning that the audit's networks calibrate the table, too.
const CrossAudit = "cross-audit"

// Warning is a finding of the compiler: a violation larger than noise, records
// left out, a missing variance.
type Warning struct {
	Code   string  `json:"code"` // e.g. violation, dropped, precision-order
	Key    string  `json:"key,omitempty"`
	Detail string  `json:"detail"`
	P      float64 `json:"p,omitempty"` // of the test behind it, when there is one
}

// Calibration turns a sum of operator costs into the cost of a network:
//
//	y = A·(Σ + overhead) + B + C·kernels, then the monotone Curve on y
//
// fitted on whole networks measured end to end.
type Calibration struct {
	Model string  `json:"model"` // scale, affine, affine+kernels, with +curve when there is one
	A     float64 `json:"a"`     // > 0
	B     float64 `json:"b"`
	C     float64 `json:"c"`
	Curve []Point `json:"curve"` // increasing in x and y; outside it the end's ratio holds
	// Traffic prices what networks that outgrow the caches pay beyond their operators, nil
	// when they pay nothing or it was not asked for. It needs the bytes each operator
	// moves: costgen applies it, Total does not.
	Traffic *Traffic `json:"traffic,omitempty"`
	// SumLo and SumHi are the smallest and largest Σ + overhead fitted.
	SumLo float64 `json:"sum_lo"`
	SumHi float64 `json:"sum_hi"`
	N     int     `json:"n"` // networks
	// Raw judges the plain sum on these networks, Fitted the chosen model on
	// them by cross-validation, never on its own training points.
	Raw    Errors `json:"raw"`
	Fitted Errors `json:"fitted"`
	// Candidates are the models tried with their cross-validated RMSPE.
	Candidates []Candidate `json:"candidates"`
	// Residual95 bounds |measured/predicted − 1| of a new network at 95 % by the
	// cross-validated residuals (split conformal); 0 when there are too few.
	Residual95 float64  `json:"residual95"`
	Records    []string `json:"records"`
}

// Traffic prices the bytes that a network reads from beyond the last cache, where
// its operators, measured in small frames, found them nearer:
//
//	share · (Linear·bytes of linear layers' weights + Conv·bytes of convolutions' weights + Spill·bytes of tensors beyond Near)
//
// The share grows from 0 to 1 while the network's weights and largest live tensors
// grow from From to To bytes.
type Traffic struct {
	Linear float64 `json:"linear"` // in the table's unit per byte, like the next two; ≥ 0
	Conv   float64 `json:"conv"`
	Spill  float64 `json:"spill"`
	Near   int     `json:"near"` // bytes of a tensor that stay in the nearest cache
	From   int     `json:"from"` // bytes
	To     int     `json:"to"`   // bytes, > From
}

// Point is one knot of a calibration curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Candidate is one calibration model that was tried.
type Candidate struct {
	Model string  `json:"model"`
	RMSPE float64 `json:"rmspe"` // cross-validated
}

// Errors summarises relative errors predicted/measured − 1 over networks. All
// are fractions: 0.03 is 3 %.
type Errors struct {
	N     int     `json:"n"`
	Bias  float64 `json:"bias"`  // mean
	RMSPE float64 `json:"rmspe"` // root mean square
	Acc5  float64 `json:"acc5"`  // share within 5 %
	Acc10 float64 `json:"acc10"` // share within 10 %
	Max   float64 `json:"max"`   // largest absolute
}

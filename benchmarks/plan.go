package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
)

// PlanFormat is the first field of every plan file.
const PlanFormat = "isocost/plan/v1"

// Chain is a model as keyed operators, first to last; the output of each is the
// input of the next. Branches live inside blocks (mbconv, encoder…).
type Chain []lut.Op

// Model is one runnable model: either a Chain the catalogue writes, or a file.
// Exactly one of Chain and File is set.
type Model struct {
	ID    string `json:"id"` // hash of the content; equal models have equal IDs
	Chain Chain  `json:"chain,omitempty"`
	// Modules are the files of the modules in the chain, each once, in its order.
	Modules []ModuleFile `json:"modules,omitempty"`
	// File is a model file (.onnx, .tflite) relative to the plan, with its hash.
	File   string         `json:"file,omitempty"`
	SHA256 string         `json:"sha256,omitempty"`
	Dims   map[string]int `json:"dims,omitempty"` // values of symbolic dimensions
	// Signature enters a .tflite file that has several; "" is the first.
	Signature string `json:"signature,omitempty"`
}

// Term is one summand of a case: Coef times the latency of a model.
type Term struct {
	Coef  float64 `json:"coef"`
	Model string  `json:"model"` // Model.ID
	// Copies, set in every term of a slope over copies of an operator, is how many of
	// them the model holds: latencies that do not lie on a line over it tell the
	// slope's own error.
	Copies int `json:"copies,omitempty"`
}

// Case is one thing to learn: Σ Coef·T(model). For a cell that sum is the
// operator's marginal cost; for a network it is the network itself.
type Case struct {
	ID    string    `json:"id"` // hash of role, set, key and terms
	Role  role.Role `json:"role"`
	Set   role.Set  `json:"set,omitempty"`
	Name  string    `json:"name,omitempty"` // for people: the network's or cell's short name
	Key   *lut.Op   `json:"key,omitempty"`  // cells
	Ops   Chain     `json:"ops,omitempty"`  // networks: the keys its cost is the sum of
	Terms []Term    `json:"terms"`
	// Isolated names the model whose own latency is the isolated column, "" if none.
	Isolated string `json:"isolated,omitempty"`
	// SecondContext is the marginal cost of the same operator in a second context,
	// Σ Coef·T(model) again. It is not part of the case's value: what the two differ by, over
	// all cells that have it, tells how far a marginal cost depends on where it is measured.
	SecondContext []Term `json:"elsewhere,omitempty"`
}

// Plan lists what a campaign measures. Models are listed once and shared by the
// cases' terms, so a frame common to many cells is measured once per round.
type Plan struct {
	Seed   uint64
	Source string // what it was made from: the space's hash, the model's name…
	// Batch is the batch that the keys were taken at, which the protocol must have when they
	// are measured: items per inference. 0 leaves it to the protocol, as of a space.
	Batch  int
	Models []Model
	Cases  []Case
}

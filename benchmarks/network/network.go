package network

import (
	"github.com/isocost/isocost/lut"
)

// Network is a model as kernels.
type Network struct {
	Name string `json:"name"`
	// Lowered says that the graph is the runtime's own, already optimised.
	Lowered bool `json:"lowered,omitempty"`
	// Batch is the number of items per inference, which no key says: what the kernels cost
	// is of that batch. 0 is not known, as in files of kernels from before it was written.
	Batch int `json:"batch,omitempty"`
	// Dims are the values that its symbolic dimensions were given, by name.
	Dims     map[string]int `json:"dims,omitempty"`
	Kernels  []Kernel       `json:"kernels"`
	Unpriced []Unpriced     `json:"unpriced"` // nodes without a key, never silently 0
	Free     []Free         `json:"free"`     // nodes that cost nothing at run time
	Warnings []string       `json:"warnings,omitempty"`
	// PeakBytes is the most activation bytes in use at once beside the network's inputs
	// and outputs, as ONNX Runtime's CPU provider plans its buffers, room of its kernels'
	// own included: of a lowered model what it asks for, of others what its optimiser
	// would make of them. 0 where a shape is not known.
	PeakBytes int64 `json:"peak_bytes,omitempty"`
}

// Kernel is one operator of the network as a key.
type Kernel struct {
	Name string `json:"name"` // of the first of its nodes
	Op   lut.Op `json:"key"`
	// Nodes are the file's nodes that the kernel is made of, "Op name" each.
	Nodes []string `json:"nodes"`
	// LiveBytes are the activations in use while it runs, its output among them.
	LiveBytes int64 `json:"live_bytes,omitempty"`
}

// Unpriced is a node that no key describes.
type Unpriced struct {
	Name   string `json:"name"`
	Op     string `json:"op"` // with its domain, when not ONNX's own
	Reason string `json:"reason"`
}

// Free is a node that costs nothing at run time, and why.
type Free struct {
	Name string `json:"name"`
	Op   string `json:"op"`
	Why  string `json:"why"`
}

// Ops are the network's keys, first to last: its cost is their sum.
func (n *Network) Ops() []lut.Op {
	ops := make([]lut.Op, len(n.Kernels))
	for i, k := range n.Kernels {
		ops[i] = k.Op
	}
	return ops
}

// Reasons a node is free.
const (
	FreeConstant = "constant: computed when the model is loaded"
	FreeView     = "view: moves no data"
	FreeShape    = "shape arithmetic"
	FreeEmpty    = "empty: its results hold nothing"
	FreeUnused   = "unused: nothing depends on it"
	FreeTwice    = "computed once with an equal node"
	FreeNoop     = "no operation: removed when the model is loaded"
	FreeReorder  = "layout change: part of the kernels beside it"
)

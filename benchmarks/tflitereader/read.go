package tflitereader

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// Extension is how a file's name ends.
const Extension = ".tflite"

// Named reports whether a path is a .tflite model's, by its extension.
func Named(path string) bool { return strings.EqualFold(filepath.Ext(path), Extension) }

// maxRank is how many dimensions a tensor may have; LiteRT's limit is 8
// (kMaxNumDims of its shape inference).
const maxRank = 8

// ReadFile reads a model from disk; its name is the file's, without extension.
func ReadFile(path string) (*network.Network, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, hint.Wrap(err, "name a .tflite model")
	}
	net, err := Read(data, strings.TrimSuffix(filepath.Base(path), Extension))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return net, nil
}

// Read reads a model from its bytes. Errors: bytes that are no model, and shapes that
// are not known before the model runs. Operators that have no key are not errors: see
// Network.Unpriced. PeakBytes and LiveBytes stay 0: how LiteRT plans its memory is not
// known here.
func Read(data []byte, name string) (*network.Network, error) {
	m, err := tflitefb.Decode(data)
	if err != nil {
		return nil, err
	}
	return ReadModel(m, name)
}

// ReadModel reads a decoded model; see Read.
func ReadModel(m *tflitefb.Model, name string) (*network.Network, error) {
	r := &reader{m: m, from: make([]*operator, len(m.Tensors)), to: make([][]*operator, len(m.Tensors)),
		constant: make([]bool, len(m.Tensors)), batch: 1}
	if err := r.load(); err != nil {
		return nil, err
	}
	return r.network(name), nil
}

// reader is a model whose operators know their neighbours.
type reader struct {
	m         *tflitefb.Model
	operators []*operator
	from      []*operator   // of each tensor: who computes it, nil for inputs and constants
	to        [][]*operator // of each tensor: who reads it
	constant  []bool        // of each tensor: known when the model is loaded
	batch     int
}

// operator is one of the file's, and what became of it.
type operator struct {
	tflitefb.Operator
	index int
	// within is the kernel that this operator is a part of, nil for its own.
	within *operator
	pad    []int  // of a convolution: top, left, bottom, right, that a Pad before it added
	kind   string // of a function that several operators make up
	input  int32  // of that function
}

func (o *operator) String() string { return fmt.Sprintf("%s %d", o.title(), o.index) }

// title is the operator's type, a custom one's own name.
func (o *operator) title() string {
	if o.Code == tflitefb.Custom {
		return fmt.Sprintf("CUSTOM %.40q", o.Custom)
	}
	return o.Code.String()
}

// in is the i-th input, nil where there is none.
func (r *reader) in(o *operator, i int) *tflitefb.Tensor {
	if i >= len(o.Inputs) || o.Inputs[i] < 0 {
		return nil
	}
	return &r.m.Tensors[o.Inputs[i]]
}

func (r *reader) out(o *operator) *tflitefb.Tensor { return &r.m.Tensors[o.Outputs[0]] }

// load links the operators, finds the batch and refuses shapes that are not known.
func (r *reader) load() error {
	for i, t := range r.m.Tensors {
		if len(t.Shape) > maxRank {
			return fmt.Errorf("tensor %d %q has %d dimensions", i, t.Name, len(t.Shape))
		}
		elements := int64(1)
		for d, n := range t.Shape {
			if n < 0 || elements*int64(n) > 1<<40 {
				return fmt.Errorf("tensor %d %q: shape %v", i, t.Name, t.Shape)
			}
			elements *= int64(n)
			if d > 0 && d < len(t.Dynamic) && t.Dynamic[d] < 0 && t.Data == nil {
				return hint.Wrap(fmt.Errorf("tensor %d %q: dimension %d is not known before the model runs", i, t.Name, d),
					"convert the model with inputs of fixed size")
			}
		}
	}
	for i, t := range r.m.Tensors {
		r.constant[i] = t.Data != nil
	}
	for i, op := range r.m.Operators {
		o := &operator{Operator: op, index: i}
		r.operators = append(r.operators, o)
		constant := len(op.Inputs) > 0
		for _, t := range op.Inputs {
			if t >= 0 {
				r.to[t] = append(r.to[t], o)
				constant = constant && r.constant[t]
			}
		}
		for _, t := range op.Outputs {
			r.from[t], r.constant[t] = o, constant
		}
	}
	for i, t := range r.m.Inputs {
		s := r.m.Tensors[t].Shape
		switch {
		case len(s) < 2:
		case i == 0 || int(s[0]) == r.batch:
			r.batch = max(1, int(s[0]))
		default:
			r.batch = 1
			return nil
		}
	}
	return nil
}

// only reports that nothing but o reads a tensor.
func (r *reader) only(t int32, o *operator) bool {
	for _, out := range r.m.Outputs {
		if out == t {
			return false
		}
	}
	return len(r.to[t]) == 1 && r.to[t][0] == o
}

// network gives every operator its key, or a reason why it has none.
func (r *reader) network(name string) *network.Network {
	net := &network.Network{Name: name, Kernels: []network.Kernel{}, Unpriced: []network.Unpriced{}, Free: []network.Free{}}
	r.fuse()
	parts := map[*operator][]string{}
	for _, o := range r.operators {
		if o.within != nil {
			parts[o.within] = append(parts[o.within], o.String())
		}
	}
	for _, o := range r.operators {
		if o.within != nil {
			continue
		}
		title := o.title()
		label := title
		if len(o.Outputs) > 0 && r.out(o).Name != "" {
			label, _, _ = strings.Cut(r.out(o).Name, ";") // the converter joins the names of what it fused
		}
		op, free, why := r.price(o)
		if why == "" && free == "" {
			if _, err := lut.ParseOp(op.String()); err != nil { // a damaged file's shape of billions
				why = "no key can say its sizes"
			}
		}
		switch {
		case why != "":
			net.Unpriced = append(net.Unpriced, network.Unpriced{Name: label, Op: title, Reason: why})
		case free != "":
			net.Free = append(net.Free, network.Free{Name: label, Op: title, Why: free})
		default:
			net.Kernels = append(net.Kernels, network.Kernel{Name: label, Op: op, Nodes: append(parts[o], o.String())})
		}
	}
	return net
}

// Package pricer has tables answer by their models of the device what their knots do not: a
// program that imports it prices kernels nobody measured, sums of kernels with their joint
// interval, and blocks, of which a search is made and a model knows nothing, as the kernels
// that the table's runtime makes of them.
package pricer

import (
	"sync"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/gpudelegate"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/benchmarks/tflitereader"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/lut"
)

func init() {
	lut.RegisterPricer(func(f *lut.File) (lut.Pricer, error) {
		m, err := devicemodel.FromData(f.Model)
		if err != nil {
			return nil, err
		}
		p := &pricer{m: m, on: ortmodel.On(f.Device, f.Runtime), runtime: f.Runtime, made: map[string][]lut.Op{}}
		p.batch, _ = f.Protocol.Batch()
		return p.price, nil
	})
}

// pricer prices by one table's model.
type pricer struct {
	m       *devicemodel.Model
	runtime lut.Runtime
	on      ortmodel.Target
	batch   int

	mu   sync.Mutex
	made map[string][]lut.Op // kernels by block; nil where they cannot be had
}

// price is a lut.Pricer.
func (p *pricer) price(ops ...lut.Op) (c lut.Cost, kernels int, ok bool) {
	var all []lut.Op
	for _, op := range ops {
		all = append(all, p.kernels(op)...)
	}
	e := p.m.Total(devicemodel.Terms(all))
	if e.Missing > 0 || len(all) == 0 {
		return c, 0, false
	}
	c = lut.Cost{Value: e.Value, Lo: e.Lo, Hi: e.Hi}
	for _, part := range e.Parts {
		c.Extrapolated = c.Extrapolated || part.Status == devicemodel.Extrapolated
	}
	return c, len(all), true
}

// kernels are those that an operator runs as: itself, where the model knows its kind.
func (p *pricer) kernels(op lut.Op) []lut.Op {
	if gpudelegate.Linked(p.runtime) {
		op = gpudelegate.Alone(op)
	}
	key := op.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	made, ok := p.made[key]
	if !ok {
		made = []lut.Op{op}
		if p.m.Total([]devicemodel.Term{{Op: op, Count: 1}}).Missing > 0 {
			if net, err := p.read(op); err == nil && len(net.Kernels) > 0 && len(net.Unpriced) == 0 {
				made = net.Ops()
			}
		}
		p.made[key] = made
	}
	return made
}

// read has a block written as a model and read as the table's runtime runs it.
func (p *pricer) read(block lut.Op) (*network.Network, error) {
	litert := p.runtime.Backend == "tflite" && !gpudelegate.Linked(p.runtime)
	g, err := benchmarks.Build(benchmarks.Chain{block}, benchmarks.BuildOptions{Batch: p.batch, Shapes: !litert})
	if err != nil {
		return nil, err
	}
	if litert {
		m, err := tflitewriter.Model(g)
		if err != nil {
			return nil, err
		}
		return tflitereader.ReadModel(m, tflitereader.Options{Batch: p.batch})
	}
	m, err := onnxwriter.Shapes(g)
	if err != nil {
		return nil, err
	}
	net, err := onnxreader.ReadModel(m, onnxreader.Options{Batch: p.batch, Target: p.on})
	if err == nil && gpudelegate.Linked(p.runtime) {
		net.Kernels = gpudelegate.Link(net.Kernels)
	}
	return net, err
}

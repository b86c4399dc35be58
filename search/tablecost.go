package search

import (
	"errors"

	"github.com/isocost/isocost/benchmarks/ortmemory"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// LUTCost prices the networks of a space by a compiled table.
type LUTCost struct {
	Space space.Lowerer
	Table *lut.Table
}

// NewLUTCost prices by summing the kernels of the lowered network.
func NewLUTCost(s space.Lowerer, t *lut.Table) *LUTCost { return &LUTCost{s, t} }

// Compiled is the table.
func (c *LUTCost) Compiled() *lut.Table { return c.Table }

// Cost lowers the architecture and sums its kernels, calibrated.
func (c *LUTCost) Cost(a space.Arch) (Bounds, error) {
	chain, err := c.Space.Lower(a)
	if err != nil {
		return Bounds{}, err
	}
	var cost lut.Cost
	if f := c.Table.File(); f.Metric == lut.Memory && ortmemory.Plans(f.Runtime) {
		// No figure of an operator tells a peak: see ortmemory.ChainPeak.
		batch, _ := f.Protocol.Batch()
		peak, err := ortmemory.ChainPeak(chain, batch, ortmodel.On(f.Device, f.Runtime), space.ModulesOf(c.Space))
		if err != nil {
			return Bounds{}, err
		}
		cost = c.Table.Total(float64(peak), 0, 0, len(chain))
	} else if cost, err = c.Table.Network(chain); err != nil {
		return Bounds{}, err
	}
	if !(cost.Value > 0) {
		return Bounds{}, errors.New("the table prices the network at nothing")
	}
	return Bounds{cost.Value, cost.Lo, cost.Hi}, nil
}

// RowCost prices the architectures of a tabular space by its own rows.
type RowCost struct {
	Space  *space.Tabular
	Metric string // the name of a column of costs
}

// Cost is the row's cost; there is no interval.
func (c *RowCost) Cost(a space.Arch) (Bounds, error) {
	v, err := c.Space.Cost(a, c.Metric)
	return Bounds{v, v, v}, err
}

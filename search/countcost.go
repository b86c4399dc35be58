package search

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// Counted costs of networks: they need no device.
const (
	CountFLOPs  = "flops"  // multiply-adds, at batch 1
	CountParams = "params" // trained parameters
)

// countUnits are their units.
var countUnits = map[string]string{CountFLOPs: "multiply-adds", CountParams: "parameters"}

// CountCost prices the networks of a space by what is counted in them, exactly. It
// must not be used from several goroutines.
type CountCost struct {
	space  space.Lowerer
	metric string
	known  map[string]float64 // by operator
}

// NewCountCost returns the cost by CountFLOPs or CountParams.
func NewCountCost(s space.Lowerer, metric string) (*CountCost, error) {
	if countUnits[metric] == "" {
		return nil, fmt.Errorf("networks are counted in %s and %s, not in %.40q", CountFLOPs, CountParams, metric)
	}
	return &CountCost{s, metric, map[string]float64{}}, nil
}

// Cost counts each operator of the network once and adds up; there is no interval.
func (c *CountCost) Cost(a space.Arch) (Bounds, error) {
	chain, err := c.space.Lower(a)
	if err != nil {
		return Bounds{}, err
	}
	sum := 0.0
	for _, op := range chain {
		v, err := c.count(op)
		if err != nil {
			return Bounds{}, err
		}
		sum += v
	}
	if !(sum > 0) {
		return Bounds{}, fmt.Errorf("the network has no %s", countUnits[c.metric])
	}
	return Bounds{sum, sum, sum}, nil
}

// count holds what one operator has.
func (c *CountCost) count(op lut.Op) (float64, error) {
	key := op.String()
	if v, ok := c.known[key]; ok {
		return v, nil
	}
	g, err := benchmarks.Build(benchmarks.Chain{op}, benchmarks.BuildOptions{Batch: 1, Shapes: true, Modules: space.ModulesOf(c.space)})
	if err != nil {
		return 0, err
	}
	n := benchmarks.Count(g)
	v := float64(n.MACs)
	if c.metric == CountParams {
		v = float64(n.Params)
	}
	c.known[key] = v
	return v, nil
}

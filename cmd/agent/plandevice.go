package main

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/deviceplan"
	"github.com/isocost/isocost/lut"
)

// shortChains says how many short chains of each network of a census are considered.
const shortChains = 4

// forDevice plans what covers a census in the time given.
func (o *planOptions) forDevice() (*benchmarks.Plan, error) {
	s, _, err := o.schedule()
	if err != nil {
		return nil, err
	}
	c, err := census.Default()
	if o.Census != "" {
		c, err = census.Open(o.Census)
	}
	if err != nil {
		return nil, err
	}
	var precisions []lut.Precision
	for _, p := range o.Precisions {
		precisions = append(precisions, lut.Precision(p))
	}
	r := deviceplan.Request{Census: c.Of(precisions), Seconds: 60 * o.Minutes, Schedule: s, Seed: o.Seed, PerNetwork: shortChains}
	if o.Unseen != "" {
		if r.Unseen, err = census.Open(o.Unseen); err != nil {
			return nil, err
		}
	}
	return deviceplan.Plan(r)
}

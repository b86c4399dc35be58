// Command shapes plans what scripts/studies/accuracy-unseen.sh holds costgen build's choice of kernels beside: the
// standard grids of every family, or random shapes of the ranges that the census has. It writes a plan per stage,
// DIR/1.plan.jsonl and so on, each of as much as the device has time for in that stage.
//
//	go run ./scripts/studies/shapes --of grids|random --unseen FILE -o DIR SECONDS…
package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/deviceplan"
	"github.com/isocost/isocost/lut"
)

// schedule is that of costgen build's protocol.
var schedule = benchmarks.Schedule{Rounds: 36, PerVisit: 2, MinSample: 0.0003, Discard: 1, ReferenceVisits: 3, WarmRuns: 3, WarmSeconds: 0.03}

func main() {
	of := pflag.String("of", "", "grids or random")
	precision := pflag.String("precision", string(lut.FP32), "of the kernels")
	unseen := pflag.String("unseen", "", "census of networks none of whose kernels is planned")
	faster := pflag.Float64("faster", 1, "by what factor the device is faster than plans are made for")
	dir := pflag.StringP("output", "o", "", "folder")
	pflag.Parse()
	if err := run(*of, lut.Precision(*precision), *unseen, *faster, *dir, pflag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "shapes:", err)
		os.Exit(1)
	}
}

func run(of string, precision lut.Precision, unseen string, faster float64, dir string, stages []string) error {
	all, err := census.Default()
	if err != nil {
		return err
	}
	never, err := census.Open(unseen)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var ops []lut.Op
	switch of {
	case "grids":
		ops, err = grids(precision)
		rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	case "random":
		ops = random(all.Of([]lut.Precision{precision}, never.Families()...).Kernels(), rng)
	default:
		err = errors.New("--of is grids or random")
	}
	if err != nil {
		return err
	}
	for k, text := range stages {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		plan, looked, err := deviceplan.Kernels(deviceplan.Request{Unseen: never, Seconds: faster * seconds, Schedule: schedule, Seed: 1}, ops)
		if err != nil {
			return err
		}
		if ops = ops[looked:]; len(plan.Cases) == 0 {
			return nil // the grids have no more
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.plan.jsonl", k+1)), plan.Encode(), 0o666); err != nil {
			return err
		}
		fmt.Printf("%s: %d kernels in stage %d\n", of, len(plan.Cases), k+1)
	}
	return nil
}

// grids are the standard grids of all families that have one.
func grids(precision lut.Precision) (ops []lut.Op, err error) {
	for _, family := range benchmarks.GridFamilies() {
		of, err := benchmarks.Grid(family, precision)
		if err != nil {
			return nil, err
		}
		ops = append(ops, of...)
	}
	return ops, nil
}

// draws are more than any campaign has time for.
const draws = 20000

// random draws kernels: the attributes of one of the census, and each axis from the range that its kind has there, even in
// its logarithm.
func random(want []census.Kernel, rng *rand.Rand) (ops []lut.Op) {
	type span struct{ lo, hi float64 }
	spans := map[string]map[string]span{}
	for _, k := range want {
		if spans[k.Op.Kind] == nil {
			spans[k.Op.Kind] = map[string]span{}
		}
		for _, c := range k.Op.At {
			v := math.Log(float64(c.Value))
			s, ok := spans[k.Op.Kind][c.Axis]
			if !ok {
				s = span{v, v}
			}
			spans[k.Op.Kind][c.Axis] = span{min(s.lo, v), max(s.hi, v)}
		}
	}
	seen := map[string]bool{}
	for range draws {
		like := want[rng.IntN(len(want))].Op
		attrs, at := map[string]string{}, map[string]int{}
		for _, a := range like.Attrs {
			attrs[a.Name] = a.Value
		}
		for _, c := range like.At {
			s := spans[like.Kind][c.Axis]
			at[c.Axis] = int(math.Round(math.Exp(s.lo + rng.Float64()*(s.hi-s.lo))))
		}
		if h, ok := at["h"]; ok { // networks' maps are square
			if _, ok := at["w"]; ok {
				at["w"] = h
			}
		}
		op := lut.NewOp(like.Kind, like.Precision, attrs, at)
		if benchmarks.Check(op) == nil && !seen[op.String()] {
			seen[op.String()] = true
			ops = append(ops, op)
		}
	}
	return ops
}

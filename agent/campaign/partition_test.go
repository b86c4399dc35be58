package campaign

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
)

// someNetworks are cases of random networks over shared cells, each cell a difference of a
// model of its own and a frame that others have, too; bytes by model.
func someNetworks(rng *rand.Rand, networks, cells int) (cases []benchmarks.Case, bytes map[string]int64) {
	bytes = map[string]int64{"ref": 1 + rng.Int64N(20)}
	take := func(m string) string {
		if _, ok := bytes[m]; !ok {
			bytes[m] = 1 + rng.Int64N(20)
		}
		return m
	}
	cases = append(cases, benchmarks.Case{ID: "ref", Role: role.Reference, Terms: []benchmarks.Term{{Coef: 1, Model: "ref"}}})
	var keys []lut.Op
	for i := range cells {
		key := lut.NewOp("conv", lut.FP32, nil, map[string]int{"cin": i + 1})
		keys = append(keys, key)
		k := benchmarks.Case{ID: fmt.Sprint("cell", i), Role: role.Cell, Key: &key, Terms: []benchmarks.Term{
			{Coef: 1, Model: take(fmt.Sprint("with", i))}, {Coef: -1, Model: take(fmt.Sprint("frame", i%5))}}}
		if rng.IntN(3) == 0 {
			k.Isolated = take(fmt.Sprint("alone", i))
		}
		cases = append(cases, k)
	}
	for i := range networks {
		k := benchmarks.Case{ID: fmt.Sprint("net", i), Role: role.Network, Terms: []benchmarks.Term{{Coef: 1, Model: take(fmt.Sprint("net", i))}}}
		for range 1 + rng.IntN(6) {
			k.Ops = append(k.Ops, keys[rng.IntN(len(keys))])
		}
		cases = append(cases, k)
	}
	return cases, bytes
}

// TestPartition: over random plans and limits every case meets all its models in a group, no
// group exceeds the limit unless one case does, the drift reference is in each, and a
// network that fits with all cells no other network has meets them.
func TestPartition(t *testing.T) {
	split := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		cases, bytes := someNetworks(rng, 1+rng.IntN(8), 2+rng.IntN(40))
		limit := int64(rng.IntN(600))
		of := func(models []string) (sum int64) {
			for _, m := range models {
				sum += bytes[m]
			}
			return sum
		}
		groups := partition(cases, "ref", func(m string) int64 { return bytes[m] }, limit)
		if len(groups) > 1 {
			split++
		}
		in := func(g []string, k benchmarks.Case) bool {
			return !slices.ContainsFunc(modelsOf(k), func(m string) bool { return !slices.Contains(g, m) })
		}
		largest := int64(0)
		for _, k := range cases {
			if !slices.ContainsFunc(groups, func(g []string) bool { return in(g, k) }) {
				t.Fatalf("seed %d: case %s has no group", seed, k.ID)
			}
			largest = max(largest, of(modelsOf(k)))
		}
		for _, g := range groups {
			if !slices.Contains(g, "ref") {
				t.Fatalf("seed %d: a group without the drift reference", seed)
			}
			if used := of(g); limit > 0 && used > max(limit, bytes["ref"]+largest) {
				t.Errorf("seed %d: a group of %d bytes, the limit is %d", seed, used, limit)
			}
		}
		users := map[string]int{}
		for _, k := range cases {
			seen := map[string]bool{}
			for _, op := range k.Ops {
				if !seen[op.String()] {
					seen[op.String()] = true
					users[op.String()]++
				}
			}
		}
		for _, k := range cases {
			if len(k.Ops) == 0 {
				continue
			}
			all := append([]string{"ref"}, modelsOf(k)...)
			var own []benchmarks.Case
			for _, c := range cases {
				if c.Key != nil && slices.ContainsFunc(k.Ops, func(op lut.Op) bool { return op.String() == c.Key.String() }) {
					for _, m := range modelsOf(c) {
						if !slices.Contains(all, m) {
							all = append(all, m)
						}
					}
					if users[c.Key.String()] == 1 {
						own = append(own, c)
					}
				}
			}
			if limit > 0 && of(all) > limit {
				continue
			}
			for _, c := range own {
				if !slices.ContainsFunc(groups, func(g []string) bool { return in(g, k) && in(g, c) }) {
					t.Errorf("seed %d: network %s and its cell %s meet nowhere", seed, k.ID, c.ID)
				}
			}
		}
	}
	if split < 100 {
		t.Errorf("only %d of the plans were parted", split)
	}
}

package agent

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/benchmarks"
)

// visitPlan is one planned stay at a model.
type visitPlan struct {
	seq   int
	model string
}

// roundOrder is the order of a round: the active models once each, shuffled by
// the seed, and the anchor at the beginning, at the end and evenly between. The
// same arguments give the same order, so that a resumed round goes on with it.
func roundOrder(seed uint64, group, round int, active []string, anchor string, anchorVisits int) []visitPlan {
	h := fnv.New64a()
	h.Write([]byte{byte(group), byte(group >> 8), byte(round), byte(round >> 8), byte(round >> 16)})
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	models := slices.DeleteFunc(slices.Clone(active), func(m string) bool { return m == anchor })
	slices.Sort(models)
	rng.Shuffle(len(models), func(i, k int) { models[i], models[k] = models[k], models[i] })
	var out []visitPlan
	add := func(m string) { out = append(out, visitPlan{len(out), m}) }
	for i := range anchorVisits {
		if anchor != "" {
			add(anchor)
		}
		if gaps := max(anchorVisits-1, 1); i < gaps {
			for _, m := range models[len(models)*i/gaps : len(models)*(i+1)/gaps] {
				add(m)
			}
		}
	}
	return out
}

// modelsOf lists the models a case needs, in order, each once.
func modelsOf(c benchmarks.Case) []string {
	var out []string
	add := func(m string) {
		if m != "" && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	for _, t := range c.Terms {
		add(t.Model)
	}
	add(c.Isolated)
	return out
}

// anchorOf picks the model that is re-measured through the campaign: the plan's
// anchor case, or the first case's first model.
func anchorOf(p *benchmarks.Plan) string {
	for _, c := range p.Cases {
		if c.Role == benchmarks.RoleAnchor {
			return c.Terms[0].Model
		}
	}
	return p.Cases[0].Terms[0].Model
}

// groupOf finds the group in which a case is measured: the first that holds all
// its models. ok is false while no group does.
func groupOf(j *journal, c benchmarks.Case) (group int, ok bool) {
	for _, g := range j.groups {
		all := true
		for _, m := range modelsOf(c) {
			if !slices.Contains(g.Models, m) {
				all = false
				break
			}
		}
		if all {
			return g.Index, true
		}
	}
	return 0, false
}

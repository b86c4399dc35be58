package campaign

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
)

// visitPlan is one planned visit to a model. Its seq names it within the round
// whatever the order: the model's index in the group, or beyond the group's end
// for the visits to the drift reference.
type visitPlan struct {
	seq   int
	model string
}

// roundOrder is the order of a round: the active models once each, in an order
// drawn from the seed, and the drift reference at the beginning, at the end and
// evenly between. Each model's position is drawn by itself, so that the order of the others
// does not depend on it: a round that is resumed after a model was quarantined
// goes on as it was.
func roundOrder(seed uint64, group, round int, members []string, active map[string]bool, reference string, referenceVisits int) []visitPlan {
	type drawn struct {
		visitPlan
		at uint64
	}
	var models []drawn
	for i, m := range members {
		if m != reference && active[m] {
			h := fnv.New64a()
			fmt.Fprintf(h, "%d/%d/%d/%s", seed, group, round, m)
			models = append(models, drawn{visitPlan{i, m}, rand.New(rand.NewPCG(h.Sum64(), seed)).Uint64()})
		}
	}
	slices.SortFunc(models, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	var out []visitPlan
	for i := range referenceVisits {
		if reference != "" {
			out = append(out, visitPlan{len(members) + i, reference})
		}
		if gaps := max(referenceVisits-1, 1); i < gaps {
			for _, m := range models[len(models)*i/gaps : len(models)*(i+1)/gaps] {
				out = append(out, m.visitPlan)
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
	for _, t := range c.SecondContext {
		add(t.Model)
	}
	return out
}

// referenceOf picks the drift reference, the model that is measured again through the
// campaign: that of the plan's case for it, or the first case's first model.
func referenceOf(p *benchmarks.Plan) string {
	for _, c := range p.Cases {
		if c.Role == role.Reference {
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

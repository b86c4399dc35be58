package campaign

import (
	"context"
	"slices"

	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// measureAll goes through the groups until every case has stopped or failed.
func (r *run) measureAll(ctx context.Context) error {
	for g := 0; ; g++ {
		if g == len(r.j.groups) {
			ok, err := r.formGroup(ctx, g)
			if err != nil {
				return err
			}
			if !ok {
				return nil
			}
		}
		if err := r.measureGroup(ctx, g); err != nil {
			return err
		}
		if err := r.checkGroup(ctx, g); err != nil {
			return err
		}
	}
}

// formGroup opens models, case by case, until all that remain are open or the
// memory budget is reached, and journals the group. ok is false when no case
// remains.
func (r *run) formGroup(ctx context.Context, g int) (ok bool, err error) {
	var want []string
	add := func(models ...string) {
		for _, m := range models {
			if !slices.Contains(want, m) {
				want = append(want, m)
			}
		}
	}
	add(r.reference)
	cases := 0
	if g > 0 {
		if err := r.closeAll(ctx); err != nil {
			return false, err
		}
	}
	// What the child grew by as each was opened: the journal knows it of models that
	// were opened before an interruption, or in an earlier group, and they stay closed.
	taken := func() (bytes int64) {
		for _, m := range want {
			if o := r.j.opens[m]; o != nil {
				bytes += o.RSSBytes
			}
		}
		return bytes
	}
	// Asked for a few at a time: the budget is looked at in between.
	const atOnce = 8
	var pending []string
	flush := func() error {
		err := r.openModels(ctx, pending)
		pending = nil
		return err
	}
	if r.j.faults[r.reference] == nil && r.j.opens[r.reference] == nil {
		pending = []string{r.reference}
	}
	for _, k := range r.Plan.Cases {
		if _, in := groupOf(r.j, k); in || !r.usable(k) {
			continue
		}
		cases++
		for _, m := range modelsOf(k) {
			if !slices.Contains(want, m) {
				add(m)
				if r.j.opens[m] == nil {
					pending = append(pending, m)
				}
			}
		}
		if len(pending) >= atOnce {
			if err := flush(); err != nil {
				return false, err
			}
		}
		if r.MemoryBytes > 0 && taken() > r.MemoryBytes {
			break
		}
	}
	if cases == 0 {
		return false, nil
	}
	if err := flush(); err != nil {
		return false, err
	}
	return true, r.j.write(record.Line{Group: &record.Group{Index: g, Models: want}})
}

// reducedPrecision is the one precision below fp32 in which a chain computes, ""
// when there is none or more than one: only then can "native" be asked.
func reducedPrecision(c benchmarks.Chain) lut.Precision {
	var p lut.Precision
	for _, op := range c {
		switch {
		case op.Precision == lut.FP32:
		case p == "":
			p = op.Precision
		case p != op.Precision:
			return ""
		}
	}
	return p
}

func (r *run) closeAll(ctx context.Context) error {
	_, err := r.talk.Ask(ctx, child.Request{Close: &child.Close{}}, r.openPatience(), nil)
	clear(r.open)
	r.warm = false
	if err != nil {
		return r.survive(ctx, err)
	}
	return nil
}

// openModels opens what is not open and not quarantined, journaling the first
// opening of each; a model that kills the child is tried again until it is
// quarantined.
func (r *run) openModels(ctx context.Context, models []string) error {
	for {
		var todo []child.OpenModel
		var ids []string
		for _, id := range models {
			if r.open[id] || r.j.faults[id] != nil {
				continue
			}
			m := child.OpenModel{Model: r.models[id], Name: r.names[id]}
			if o := r.j.opens[id]; o != nil {
				m.Repeat = o.Repeat
			} else {
				m.Prove = r.Protocol.Check.Placement && r.Backend.Provider != "cpu"
				if r.Protocol.Check.Placement {
					m.Precision = reducedPrecision(m.Model.Chain)
				}
			}
			todo = append(todo, m)
			ids = append(ids, id)
		}
		if len(todo) == 0 {
			return nil
		}
		if err := r.j.write(record.Line{Start: &record.Start{What: record.Opening, Group: len(r.j.groups), Models: ids, Boot: r.Boot}}); err != nil {
			return err
		}
		var lines []record.Line
		var failed []*child.Failure
		_, err := r.talk.Ask(ctx, child.Request{Open: &child.Open{Models: todo}}, r.openPatience(), func(rep child.Report) error {
			if rep.Failed != nil {
				failed = append(failed, rep.Failed)
				return nil
			}
			if rep.Opened != nil {
				r.open[rep.Model] = true
				r.deaths = 0
				if r.j.opens[rep.Model] == nil {
					lines = append(lines, record.Line{Open: rep.Opened})
				}
			}
			r.show("opening", -1)
			return nil
		})
		if werr := r.j.write(lines...); werr != nil {
			return werr
		}
		for _, f := range failed {
			if werr := r.strike(f); werr != nil {
				return werr
			}
		}
		if err != nil {
			if err := r.survive(ctx, err); err != nil {
				return err
			}
		}
	}
}

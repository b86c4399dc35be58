package campaign

import (
	"cmp"
	"context"
	"slices"

	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// measureAll forms the groups of what has none, then measures one after another until every
// case has stopped, failed or had its share of the time. The second pass comes last: what
// it takes belongs to no group.
func (r *run) measureAll(ctx context.Context) error {
	for {
		rest := r.ungrouped()
		if len(rest) == 0 {
			break
		}
		if err := r.formGroups(ctx, rest); err != nil {
			return err
		}
	}
	for g := range r.j.groups {
		if err := r.enter(ctx, g); err != nil {
			return err
		}
		if err := r.measureGroup(ctx, g); err != nil {
			return err
		}
	}
	for g := range r.j.groups {
		if err := r.enter(ctx, g); err != nil {
			return err
		}
		if err := r.checkGroup(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// ungrouped lists the cases that can be measured and are in no group yet.
func (r *run) ungrouped() []benchmarks.Case {
	var rest []benchmarks.Case
	for _, k := range r.Plan.Cases {
		if _, in := groupOf(r.j, k); !in && r.usable(k) {
			rest = append(rest, k)
		}
	}
	return rest
}

// formGroups opens every model of the cases once, which tells what each takes of memory and
// time, and journals the groups they make, together: how the time is shared out is known
// before the first round. Where all models fit they stay open, and are one group.
func (r *run) formGroups(ctx context.Context, cases []benchmarks.Case) error {
	if err := r.survey(ctx, cases); err != nil {
		return err
	}
	var good []benchmarks.Case
	for _, k := range cases {
		if r.usable(k) {
			good = append(good, k)
		}
	}
	if len(good) == 0 {
		return nil
	}
	// The warm-up is part of what comes before the first round, and may take seconds. Opening
	// models keeps the device busy, so that no later group needs one.
	if err := r.openModels(ctx, []string{r.reference}); err != nil {
		return err
	}
	if err := r.warmUp(ctx, []visitPlan{{model: r.reference}}); err != nil {
		return err
	}
	parts := partition(good, r.reference, r.bytesOf, r.MemoryBytes)
	if len(parts) > 1 { // what is open need not be opened again
		slices.SortStableFunc(parts, func(a, b []string) int { return cmp.Compare(r.openBytes(b), r.openBytes(a)) })
	}
	var lines []record.Line
	at := record.RoundS(max(r.talk.Now(), r.j.deviceS))
	for i, models := range parts {
		g := &record.Group{Index: len(r.j.groups) + i, Models: models, AtS: at}
		if i > 0 {
			g.AtS = 0
		}
		for _, m := range models {
			if r.j.faults[m] != nil {
				continue
			}
			if i > 0 || !r.open[m] {
				g.OpenS += r.openSeconds(m)
			}
			visits := 1
			if m == r.reference {
				visits = r.Protocol.Drift.ReferenceVisits
			}
			g.RoundS += float64(visits) * r.visitSeconds(m)
		}
		g.OpenS, g.RoundS = record.RoundS(g.OpenS), record.RoundS(g.RoundS)
		lines = append(lines, record.Line{Group: g})
	}
	if err := r.affordable(good, lines, at); err != nil {
		return err
	}
	return r.j.write(lines...)
}

// enter makes room for a group: what is open and not of it is closed.
func (r *run) enter(ctx context.Context, g int) error {
	var others []string
	for m := range r.open {
		if !slices.Contains(r.j.groups[g].Models, m) {
			others = append(others, m)
		}
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	_, err := r.talk.Ask(ctx, child.Request{Close: &child.Close{Models: others}}, r.openPatience(), nil)
	for _, m := range others {
		delete(r.open, m)
	}
	if err != nil {
		return r.survive(ctx, err)
	}
	return nil
}

// survey opens each model that was never opened, a few at a time. When the next few would
// not fit beside what is open, the child is replaced: memory that a runtime gives back may
// stay with its process, and what the next models take would then not show.
func (r *run) survey(ctx context.Context, cases []benchmarks.Case) error {
	const atOnce = 8
	var todo []string
	seen := map[string]bool{}
	add := func(m string) {
		if !seen[m] && r.j.faults[m] == nil && r.j.opens[m] == nil {
			todo = append(todo, m)
		}
		seen[m] = true
	}
	add(r.reference)
	for _, k := range cases {
		for _, m := range modelsOf(k) {
			add(m)
		}
	}
	all := todo
	largest := int64(0)
	for len(todo) > 0 {
		if err := r.openingTakesTooLong(all, len(all)-len(todo)); err != nil {
			return err
		}
		n := min(atOnce, len(todo))
		if r.MemoryBytes > 0 {
			room := r.MemoryBytes - r.openBytes(nil)
			if largest > 0 {
				n = int(min(int64(n), max(1, room/largest)))
			} else {
				n = 1
			}
			if room < largest && len(r.open) > 0 {
				if err := r.relaunch(ctx); err != nil {
					return err
				}
			}
		}
		if err := r.openModels(ctx, todo[:n]); err != nil {
			return err
		}
		for _, m := range todo[:n] {
			largest = max(largest, r.bytesOf(m))
		}
		todo = todo[n:]
	}
	return nil
}

// bytesOf returns by how much the child grew when a model was first opened.
func (r *run) bytesOf(model string) int64 {
	if o := r.j.opens[model]; o != nil {
		return o.RSSBytes
	}
	return 0
}

// openBytes returns the memory of the open models, of a list or (nil) all.
func (r *run) openBytes(of []string) (bytes int64) {
	for m := range r.open {
		if of == nil || slices.Contains(of, m) {
			bytes += r.bytesOf(m)
		}
	}
	return bytes
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

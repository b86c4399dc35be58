package study

import (
	"fmt"
	"math"
	"strings"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search"
)

// guards lists what the searches of a table keep besides.
func (c *Config) guards(table int) []string {
	if table < len(c.Guards) {
		return c.Guards[table]
	}
	return nil
}

// guardedBy stands between a table and what its searches keep besides.
const guardedBy = "+"

// together names the tables that a search keeps, its own first.
func together(tables []search.TableRef) search.FileRef {
	var names, sums []string
	for _, t := range tables {
		names = append(names, t.Name)
		if t.SHA256 != "" {
			sums = append(sums, t.SHA256)
		}
	}
	return search.FileRef{Name: strings.Join(names, guardedBy), SHA256: strings.Join(sums, guardedBy)}
}

// furthest is the deviation of largest size.
func furthest(dev []float64) (most float64) {
	for _, d := range dev {
		if math.Abs(d) > math.Abs(most) {
			most = d
		}
	}
	return most
}

// guard compares a method's searches that keep a table alone with those that keep further
// ones, too.
type guard struct {
	alone, guard, method string
	units, outside       int     // finals of the table alone; those of them that leave the others
	dearer               int     // those of them that cost more there
	furthest             float64 // deviation of the one that leaves them by most
	lost                 sample  // guarded gain less the other one, paired by anchor and seed
}

func (g guard) left() string  { return fmt.Sprintf("%d/%d, %d above", g.outside, g.units, g.dearer) }
func (g guard) worst() string { return fmt.Sprintf("%+.2f %%", 100*g.furthest) }

func (g guard) change() string {
	own := g.lost.perAnchor()
	text := fmt.Sprintf("%+.3g", stats.Mean(own))
	if lo, hi := interval(own); lo != nil {
		text += fmt.Sprintf(" [%.3g, %.3g]", *lo, *hi)
	}
	return text
}

// guarded compares every table that is searched alone and with others as well.
func (r *Results) guarded() (rows []guard) {
	for _, with := range r.Tables {
		for _, alone := range r.Tables {
			if !strings.HasPrefix(with.Name, alone.Name+guardedBy) {
				continue
			}
			for _, m := range r.distinct(func(u Unit) string { return u.Method }) {
				if g := r.guard(alone.Name, with.Name, m); g.units > 0 && len(g.lost.values) > 0 {
					rows = append(rows, g)
				}
			}
		}
	}
	return rows
}

// guard compares a method's searches of two tables, the second of which is the first with
// others.
func (r *Results) guard(alone, with, method string) guard {
	type place struct {
		anchor string
		seed   uint64
	}
	gains := map[place]float64{}
	for _, u := range r.Units {
		if g, ok := u.Gain(); ok && u.Table == with && u.Method == method {
			gains[place{u.Anchor, u.Seed}] = g
		}
	}
	row := guard{alone: alone, guard: strings.TrimPrefix(with, alone+guardedBy), method: method}
	for _, u := range r.Units {
		if u.Table != alone || u.Method != method {
			continue
		}
		for _, t := range u.Transfer {
			if t.Table != with {
				continue
			}
			if row.units++; !t.Was {
				row.outside++
				if t.AsIs > 0 {
					row.dearer++
				}
			}
			row.furthest = furthest([]float64{row.furthest, t.AsIs})
		}
		g, ok := u.Gain()
		if guarded, has := gains[place{u.Anchor, u.Seed}]; ok && has {
			row.lost.add(u.Anchor, guarded-g)
		}
	}
	return row
}

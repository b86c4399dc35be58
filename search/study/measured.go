package study

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// MeasuredFile keeps what the devices said, beside the units.
const MeasuredFile = "measured.json"

// measuredFormat is its first field.
const measuredFormat = "isocost/study-measured/v1"

// NoDevice stands in Config.Measure for a table whose device is not at hand.
const NoDevice = "none"

// DeviceCost holds what a final costs by its device, beside the anchor in the same
// campaign. Deviation is a fraction of the anchor's measured cost.
type DeviceCost struct {
	Cost      float64 `json:"cost"`
	Anchor    float64 `json:"anchor"`
	Deviation float64 `json:"deviation"`
	Inside    bool    `json:"inside"`
}

// measuredFile is measured.json: one campaign per table and visit. A study that has
// grown adds a campaign of what is new, anchors included.
type measuredFile struct {
	Format    string     `json:"format"`
	Campaigns []campaign `json:"campaigns"`
}

type campaign struct {
	Table string                        `json:"table"`
	Archs map[string]search.Measurement `json:"archs"`
}

// target says where a table's finals are measured.
func (c *Config) target(table int) string {
	switch {
	case len(c.Measure) == 1:
		return c.Measure[0]
	case table < len(c.Measure):
		return c.Measure[table]
	}
	return NoDevice
}

// measure has anchors, finals, controls and what was transferred measured, a
// campaign per table, and writes the measured costs into the units.
func (r *runner) measure(ctx context.Context, units []Unit) error {
	if len(r.Config.Measure) == 0 {
		return nil
	}
	path := filepath.Join(r.Dir, MeasuredFile)
	f := measuredFile{Format: measuredFormat}
	data, err := os.ReadFile(path)
	if err == nil {
		if err := decodeJSON(path, data, &f); err != nil {
			return hint.Wrap(err, "delete the file: the finals are then measured again")
		}
		if f.Format != measuredFormat {
			return fmt.Errorf("%s:1: format is %.80q, not %q", path, f.Format, measuredFormat)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for i, t := range r.header.Tables {
		target := r.Config.target(i)
		if target == NoDevice {
			continue
		}
		todo := f.missing(t.Name, r.anchors, units)
		if len(todo) == 0 {
			continue
		}
		if r.Progress != nil {
			r.Progress(Progress{Done: len(units), Units: len(units), Now: fmt.Sprintf("measuring %d networks for %s on %s", len(todo), t.Name, target), Left: -1})
		}
		c, err := r.campaign(ctx, i, target, todo)
		if err != nil {
			return fmt.Errorf("measure for table %s: %w", t.Name, err)
		}
		f.Campaigns = append(f.Campaigns, c)
		if data, err = encodeJSON(f); err != nil {
			return err
		}
		if err := atomicfile.Write(path, data, 0o644); err != nil {
			return err
		}
	}
	for i := range units {
		u := &units[i]
		u.Measured = f.cost(u.Table, u.Anchor, u.Final, r.Config.Tau)
		if u.Control != nil {
			u.Control.Measured = f.cost(u.Table, u.Anchor, u.Control.Arch, r.Config.Tau)
		}
		for j := range u.Transfer {
			tr := &u.Transfer[j]
			tr.Measured = f.cost(tr.Table, u.Anchor, tr.Arch, r.Config.Tau)
		}
	}
	return nil
}

// missing lists the architectures of a table that no campaign has, the anchors
// first; nothing when there are none.
func (f *measuredFile) missing(table string, anchors []string, units []Unit) []string {
	var todo []string
	add := func(key string) {
		for _, c := range f.Campaigns {
			if _, ok := c.Archs[key]; ok && c.Table == table {
				return
			}
		}
		if !slices.Contains(todo, key) {
			todo = append(todo, key)
		}
	}
	for _, u := range units {
		if u.Table == table {
			add(u.Anchor)
			add(u.Final)
			if u.Control != nil {
				add(u.Control.Arch)
			}
		}
		for _, tr := range u.Transfer {
			if tr.Table == table {
				add(u.Anchor)
				add(tr.Arch)
			}
		}
	}
	if len(todo) == 0 {
		return nil
	}
	for _, a := range anchors {
		if !slices.Contains(todo, a) {
			todo = append(todo, a)
		}
	}
	return todo
}

func (r *runner) campaign(ctx context.Context, table int, target string, keys []string) (campaign, error) {
	name := r.header.Tables[table].Name
	c := campaign{name, map[string]search.Measurement{}}
	low, ok := r.sp.(space.Lowerer)
	cost, compiled := r.problems[[2]string{r.anchors[0], name}].Problem.Bands[0].Cost.(interface{ Compiled() *lut.Table })
	if !ok || !compiled || r.Device == nil {
		return c, hint.Wrap(errors.New("only networks with a compiled table can be measured"), "leave measure: out, or name none for the table")
	}
	m, err := r.Device(target, name, low, *cost.Compiled().File())
	if err != nil {
		return c, err
	}
	var archs []space.Arch
	for _, k := range keys {
		a, err := space.ParseArch(k)
		if err != nil {
			return c, err
		}
		archs = append(archs, a)
	}
	got, err := m.Measure(ctx, archs)
	if err != nil {
		return c, err
	}
	if len(got) != len(keys) {
		return c, fmt.Errorf("%d measurements for %d networks", len(got), len(keys))
	}
	for i, k := range keys {
		c.Archs[k] = got[i]
	}
	return c, nil
}

// cost is an architecture's measured cost in the first campaign that has it and
// the anchor, nil without valid values.
func (f *measuredFile) cost(table, anchor, key string, tau float64) *DeviceCost {
	for _, c := range f.Campaigns {
		if c.Table != table {
			continue
		}
		ma, mx := c.Archs[anchor], c.Archs[key]
		if !ma.Valid() || !mx.Valid() {
			continue
		}
		a, x := ma.Value, mx.Value
		return &DeviceCost{Cost: x, Anchor: a, Deviation: x/a - 1, Inside: math.Abs(math.Log(x/a)) <= math.Log1p(tau)}
	}
	return nil
}

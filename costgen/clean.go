package costgen

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// cell is one key with the evidence of all its records.
type cell struct {
	op            lut.Op
	family        string // Op.Grid
	value, lo, hi float64
	n             int
	cases         []string // sorted
	censored      bool
	// What its records say by themselves: value before a family lends what it knows.
	measured, measuredError float64
}

// se is the standard error behind a 95 % interval. A vanishing or absent interval
// still leaves 0.1 % of the value, the resolution of the harness, so that no
// weight is infinite.
func (c *cell) se() float64 { return max((c.hi-c.lo)/(2*1.96), 1e-3*math.Abs(c.value)) }

// network is one whole network measured end to end.
type network struct {
	id, name string
	ops      []lut.Op
	value    float64
	lo, hi   float64
	between  float64 // standard deviation between rounds, 0 when unknown
	drift    float64 // ratio of the drift reference − 1
	n        int
	counted  bool    // its memory, request by request
	planned  float64 // bytes by the plan of the runtime's own graph, 0 when unknown
}

// campaign holds the cleaned records.
type campaign struct {
	cells     []cell // sorted by key
	overhead  *cell
	calibrate []network // sorted by case
	audit     []network
	warnings  []lut.Warning
	inputs    []lut.Input
}

// reading is one usable record of a cell.
type reading struct {
	id        string
	v, lo, hi float64
	n         int
}

// clean keeps the records that are "ok" (or accepted), merges those of one key and
// says what it left out and why.
//
// A cell without any ok record takes its noisy ones: their wide interval travels
// with them, while a hole would cost every network that has the operator. (A cell
// that costs next to nothing is always noisy relative to its own cost.) One without these
// either takes those from while the device's speed changed, widened by that change. It fails only when
// ctx ends, by its error.
func clean(ctx context.Context, sources []Source, opt Options) (*campaign, error) {
	c := cleaner{ctx: ctx, campaign: &campaign{}, opt: opt, index: map[string]int{}, grids: map[string]*grid{}, left: map[string][]string{}, seen: map[[sha256.Size]byte]bool{}, several: len(sources) > 1}
	if opt.Metric == lut.Energy {
		var err error
		if c.least, err = leastOf(ctx, slices.Concat(sources, opt.Calibrate, opt.Audit), opt.Metric); err != nil {
			return nil, err
		}
	}
	for i := range sources {
		if err := c.take(&sources[i], ""); err != nil {
			return nil, err
		}
	}
	c.standIn("noisy", c.noisy)
	c.standIn("drift", c.drifted)
	for _, more := range []struct {
		sources []Source
		set     role.Set
	}{{opt.Calibrate, role.Calibrate}, {opt.Audit, role.Audit}} {
		for _, s := range more.sources {
			if err := c.take(&s, more.set); err != nil {
				return nil, err
			}
		}
	}
	c.finish()
	return c.campaign, ctx.Err()
}

// standIn uses records for keys that have no better ones.
func (c *cleaner) standIn(why string, records []gist) {
	best := len(c.keys)
	for _, s := range records {
		if s.kind == role.Cell && s.op != nil {
			if i, ok := c.index[s.op.String()]; ok && i < best {
				c.leave("dropped "+why, s.title())
				continue
			}
		}
		if c.use(s) {
			c.leave(why, s.title())
		}
	}
}

// cleaner gathers records while they are sorted out: of each what the table is made of, since
// files hold more than memory does.
type cleaner struct {
	ctx context.Context // of the one call that made it
	*campaign
	opt     Options
	index   map[string]int // key → index in keys
	keys    []*evidence
	room    []evidence // for the next keys
	lines   readings
	grids   map[string]*grid
	fixed   []reading // of the overhead
	noisy   []gist    // cells and overheads that are noisy and nothing worse
	drifted []gist    // those of which the device's speed changed, and nothing worse
	left    map[string][]string
	print   multiset
	key     []byte                     // scratch
	several bool                       // files of cells
	seen    map[[sha256.Size]byte]bool // records taken
	least   float64                    // of the whole networks' costs, of energy; 0 when there are none
}

// evidence is a key with the readings of its records.
type evidence struct {
	key  string
	grid *grid
	op   lut.Op
	last int32 // of its readings; 0 for none
}

// grid is Op.Grid with an operator of it, whose texts all of them share.
type grid struct {
	name  string
	first lut.Op
}

// gist is what is used of a record that is no network's.
type gist struct {
	file      string
	line      int
	kind      role.Role
	id, name  string
	op        *lut.Op
	ok        bool    // the record is
	has       bool    // the metric
	largest   float64 // term of a latency difference, in microseconds
	v, lo, hi float64
	n         int
}

func gistOf(l *Line, file string, metric lut.Metric) gist {
	r := &l.Record
	s := gist{file: file, line: l.Line, kind: r.Kind, id: r.Case, name: r.Name, op: r.Key, ok: r.IsOK()}
	s.v, s.lo, s.hi, s.n, s.has = value(r, metric)
	if metric != lut.Memory {
		s.lo, s.hi = drifted(r, s.v, s.lo, s.hi)
	}
	for _, t := range r.Terms {
		s.largest = max(s.largest, t.EstimateUS)
	}
	return s
}

func (s *gist) title() string { return titleOf(s.name, s.op, s.id) }

func (c *cleaner) leave(why, what string) { c.left[why] = append(c.left[why], what) }

// leastOf is the smallest positive cost of a whole network in the files.
func leastOf(ctx context.Context, sources []Source, metric lut.Metric) (least float64, err error) {
	for _, s := range sources {
		err := s.each(ctx, func(l *Line) {
			r := &l.Record
			if v, _, _, _, ok := value(r, metric); ok && r.Kind == role.Network && r.IsOK() && v > 0 && (least == 0 || v < least) {
				least = v
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return least, nil
}

// take sorts out one file; set, when given, replaces that of its networks.
func (c *cleaner) take(s *Source, set role.Set) error {
	return s.each(c.ctx, func(l *Line) {
		r := &l.Record
		network := r.Kind == role.Network
		switch {
		case r.Kind == role.Reference, set != "" && !network:
		case usable(r, c.opt.Accept, c.opt.Metric):
			var used bool
			if network {
				used = c.network(l, s.Name, set)
			} else {
				used = c.use(gistOf(l, s.Name, c.opt.Metric))
			}
			if used && !r.IsOK() && !usable(r, nil, c.opt.Metric) {
				c.leave("accepted", title(r))
			}
		case usable(r, []record.Validity{record.Noisy}, c.opt.Metric) && !network:
			c.noisy = append(c.noisy, gistOf(l, s.Name, c.opt.Metric))
		case usable(r, []record.Validity{record.Noisy, record.Drift}, c.opt.Metric) && !network:
			c.drifted = append(c.drifted, gistOf(l, s.Name, c.opt.Metric))
		default:
			c.leave("dropped "+record.Join(r.Validity, "+"), title(r))
		}
	})
}

// residue is the systematic error of a difference of sessions, as a share of
// its most expensive term, however sharp its interval: the last kernel's output, for
// instance, is written to another buffer when another one follows. A cell less than that
// below zero costs nothing that can be told, and is censored instead of refused;
// refused, it would take every network it is part of with it. Seen: a pooling of
// 24 channels at −2.3 % of its frame of 2 us, a switch at −1.6 % of 5.5 us.
const residue = 0.03

// use takes one usable record in and reports whether it could.
func (c *cleaner) use(s gist) bool {
	if !s.has {
		c.leave("dropped no-"+string(c.opt.Metric), s.title())
		return false
	}
	v, lo, hi := s.v, s.lo, s.hi
	switch s.kind {
	case role.Cell:
		if s.op == nil {
			c.leave("dropped no-key", s.title())
			return false
		}
		c.key, _ = s.op.AppendText(c.key[:0])
		if !c.once(fingerprint(s.id, c.key, v, lo, hi, s.n)) {
			return false
		}
		if hi <= 0 && c.opt.Metric == lut.Latency && -v <= residue*s.largest {
			hi = residue * s.largest // censored in finish
			lo = min(lo, 2*v-hi)
		}
		if hi <= 0 && c.opt.Metric == lut.Energy && -v <= residue*c.least {
			// A meter cannot tell the frames' power from the operator's: the difference
			// has shown an error of its own size, and as much may hide a cost.
			hi = -v
		}
		if hi <= 0 && !s.ok {
			// The record itself says noise, too large for its interval: what the
			// operator costs is lost in that noise, which bounds it. See decision 0402.
			hi = (hi - lo) / 2
			v, lo = 0, -hi
		}
		if hi <= 0 {
			c.leave("non-positive", fmt.Sprintf("%s:%d %s (%.4g)", s.file, s.line, c.key, v))
			return false
		}
		e := c.of(c.key, s.op)
		e.last = c.lines.add(reading{s.id, v, lo, hi, s.n}, e.last)
	case role.Overhead:
		if c.opt.Metric == lut.Memory { // a peak has none
			return true
		}
		if !c.once(fingerprint(s.id, []byte("overhead"), v, lo, hi, s.n)) {
			return false
		}
		c.fixed = append(c.fixed, reading{s.id, v, lo, hi, s.n})
	}
	return true
}

// of is the evidence of a key, which is the operator's.
func (c *cleaner) of(key []byte, op *lut.Op) *evidence {
	if i, known := c.index[string(key)]; known {
		return c.keys[i]
	}
	name := op.Grid()
	g := c.grids[name]
	if g == nil {
		g = &grid{name, *op}
		c.grids[name] = g
	}
	own := g.first
	own.At = slices.Clone(own.At)
	for i := range own.At {
		own.At[i].Value = op.At[i].Value
	}
	if len(c.room) == 0 {
		c.room = make([]evidence, piece)
	}
	e := &c.room[0]
	c.room = c.room[1:]
	*e = evidence{key: string(key), grid: g, op: own}
	c.index[e.key] = len(c.keys)
	c.keys = append(c.keys, e)
	return e
}

// readings are those of all keys, in pieces, so that none is copied when more come. Each knows the
// one before it of its key.
type readings struct {
	pieces [][]linked
	n      int32
}

type linked struct {
	reading
	before int32 // counted from 1; 0 for none
}

// piece is how many lie in one.
const piece = 1 << 10

// add returns the number of a further reading of a key, whose last one's is given.
func (r *readings) add(x reading, last int32) int32 {
	if r.n%piece == 0 {
		r.pieces = append(r.pieces, make([]linked, 0, piece))
	}
	at := &r.pieces[r.n/piece]
	*at = append(*at, linked{x, last})
	r.n++
	return r.n
}

// of appends the readings of a key from its last one back.
func (r *readings) of(to []reading, last int32) []reading {
	for last > 0 {
		l := &r.pieces[(last-1)/piece][(last-1)%piece]
		to, last = append(to, l.reading), l.before
	}
	return to
}

// By how much a device's speed is taken to have changed where a record says that it did: not by
// how much – the largest seen within a campaign of a shared host –, and at least, since slow
// rounds are flagged too that were over when the campaign ended.
const (
	unknownDrift = 0.25
	leastDrift   = 0.05
)

// drifted widens the interval of a record that is flagged for drift by how far the speed
// moved while it was measured: the record is of one speed between the first and the last, and nobody
// knows which.
func drifted(r *record.Record, v, lo, hi float64) (float64, float64) {
	if !slices.Contains(r.Validity, record.Drift) {
		return lo, hi
	}
	moved := unknownDrift
	if r.ReferenceRatio != nil && *r.ReferenceRatio > 0 {
		moved = max(leastDrift, math.Abs(math.Log(*r.ReferenceRatio)))
	}
	if r.GroupRatio > 0 {
		moved = max(moved, math.Abs(math.Log(r.GroupRatio)))
	}
	by := 1.96 * moved * math.Abs(v)
	return v - math.Hypot(v-lo, by), v + math.Hypot(hi-v, by)
}

// once takes note of a cell's or an overhead's record, and reports whether it is new:
// a file named twice, or a copy of it, is not further evidence. Within a file no case
// has two records.
func (c *cleaner) once(print [sha256.Size]byte) bool {
	if c.several {
		if c.seen[print] {
			return false
		}
		c.seen[print] = true
	}
	c.print.add(print)
	return true
}

// network takes one usable network in and reports whether it could.
func (c *cleaner) network(l *Line, file string, set role.Set) bool {
	r := &l.Record
	v, lo, hi, n, ok := value(r, c.opt.Metric)
	if !ok {
		c.leave("dropped no-"+string(c.opt.Metric), title(r))
		return false
	}
	if c.opt.Metric != lut.Memory {
		lo, hi = drifted(r, v, lo, hi)
	}
	if set == "" {
		set = r.Set
	}
	switch {
	case v <= 0:
		c.leave("non-positive", fmt.Sprintf("%s:%d %s (%.4g)", file, l.Line, title(r), v))
		return false
	case set == role.Calibrate && slices.Contains(c.opt.Judge, title(r)):
		set = role.Audit
	}
	switch {
	case len(r.Ops) == 0:
		c.leave("no-ops", title(r))
		return false
	case set != role.Calibrate && set != role.Audit:
		c.leave("no-set", title(r))
		return false
	}
	nw := network{id: r.Case, name: r.Name, ops: r.Ops, value: v, lo: lo, hi: hi, n: n}
	if r.BetweenUS != nil && c.opt.Metric == lut.Latency {
		nw.between = *r.BetweenUS
	}
	if r.ReferenceRatio != nil {
		nw.drift = *r.ReferenceRatio - 1
	}
	if m := r.Memory; m != nil && m.Source == record.Requests {
		nw.counted = true
		if m.LivenessBytes != nil {
			nw.planned = float64(*m.LivenessBytes)
		}
	}
	// One record given twice, as records and with --audit, counts once.
	print := fingerprint(r.Case, []byte(set), v, lo, hi, n)
	if c.seen[print] {
		return false
	}
	c.seen[print] = true
	if set == role.Calibrate {
		c.calibrate = append(c.calibrate, nw)
	} else {
		c.audit = append(c.audit, nw)
	}
	return true
}

// finish merges, sorts and reports.
func (c *cleaner) finish() {
	c.cells = make([]cell, 0, len(c.keys))
	var rs []reading
	for i := range c.keys {
		if c.ctx.Err() != nil {
			return
		}
		e := c.keys[i]
		rs = c.lines.of(rs[:0], e.last)
		m, warn := merge(e.key, rs)
		m.op = e.op
		m.family = e.grid.name
		m.measured, m.measuredError = m.value, m.se()
		if m.value <= 0 || m.lo <= 0 {
			m.censored = true // its value stays signed until borrow has seen the family
			c.leave("censored", e.key)
			if c.opt.Metric != lut.Latency { // a bound is not a standard error
				m.value, m.lo = m.hi/2, 0
			}
		}
		c.cells = append(c.cells, m)
		c.warnings = append(c.warnings, warn...)
	}
	slices.SortFunc(c.cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.family, b.family), lut.CompareCoords(a.op.At, b.op.At))
	})
	if c.opt.Metric == lut.Latency {
		borrow(c.cells)
	}
	if len(c.fixed) > 0 {
		m, warn := merge("overhead", c.fixed)
		m.value, m.lo, m.hi = max(0, m.value), max(0, m.lo), max(0, m.hi)
		c.overhead = &m
		c.warnings = append(c.warnings, warn...)
	}
	byCase := func(a, b network) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.value, b.value), cmp.Compare(a.n, b.n))
	}
	slices.SortFunc(c.calibrate, byCase)
	slices.SortFunc(c.audit, byCase)
	c.unleak()

	c.inputs = append(c.inputs, c.print.input("cells"))
	for kind, nets := range map[string][]network{"calibrate": c.calibrate, "audit": c.audit} {
		if len(nets) == 0 {
			continue
		}
		var prints multiset
		for _, n := range nets {
			prints.add(fingerprint(n.id, []byte(netKey(n.ops)), n.value, n.lo, n.hi, n.n))
		}
		c.inputs = append(c.inputs, prints.input(kind))
	}
	slices.SortFunc(c.inputs, func(a, b lut.Input) int { return cmp.Compare(a.Kind, b.Kind) })

	for _, why := range slices.Sorted(maps.Keys(c.left)) {
		list := c.left[why]
		n, names := len(list), sample(list)
		switch why {
		case "accepted":
			c.warn(why, "%d records are not ok but were used as asked: %s", n, names)
		case "noisy":
			c.warn(why, "%d records are noisy and were used, with their wide intervals, for want of better: %s", n, names)
		case "drift":
			c.warn(why, "%d records are from while the device's speed changed and were used, widened by the change, for want of better: %s", n, names)
		case "non-positive":
			c.warn(why, "%d records have a cost that is not positive and were refused: %s", n, names)
		case "censored":
			c.warn(why, "%d cells cost too little to tell from zero; what their families tell stands for them: %s", n, names)
		case "no-ops":
			c.warn(why, "%d networks do not name their operators and cannot be predicted: %s", n, names)
		case "no-set":
			c.warn(why, "%d networks are neither for calibration nor for audit and were left out: %s", n, names)
		default:
			c.warn("dropped", "%d records are %s and were left out: %s", n, strings.TrimPrefix(why, "dropped "), names)
		}
	}
}

// unleak removes from the audit every network whose operators the calibration
// has seen: an audit judges by what the fit never saw.
func (c *campaign) unleak() {
	fitted := map[string]bool{}
	for _, n := range c.calibrate {
		fitted[netKey(n.ops)] = true
	}
	var leaked []string
	c.audit = slices.DeleteFunc(c.audit, func(n network) bool {
		if fitted[netKey(n.ops)] {
			leaked = append(leaked, n.title())
			return true
		}
		return false
	})
	if len(leaked) > 0 {
		c.warn("leak", "%d audit networks were also used to calibrate and were left out of the audit: %s", len(leaked), sample(leaked))
	}
}

func netKey(ops []lut.Op) string {
	keys := make([]string, len(ops))
	for i, op := range ops {
		keys[i] = op.String()
	}
	return strings.Join(keys, " ")
}

func (n *network) title() string {
	if n.name != "" {
		return n.name
	}
	return n.id
}

func (c *campaign) warn(code, format string, args ...any) {
	c.warnings = append(c.warnings, lut.Warning{Code: code, Detail: fmt.Sprintf(format, args...)})
}

// merge combines the records of one key: the mean weighted by inverse variance,
// with an interval that also covers their disagreement (Birge ratio). Records that
// disagree beyond noise are reported.
func merge(key string, rs []reading) (cell, []lut.Warning) {
	if len(rs) == 1 {
		r := rs[0]
		return cell{value: r.v, lo: r.lo, hi: r.hi, n: r.n, cases: []string{r.id}}, nil
	}
	// Sums depend on order in the last bits: sort first.
	slices.SortFunc(rs, func(a, b reading) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.v, b.v), cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), cmp.Compare(a.n, b.n))
	})
	var sum, weight float64
	out := cell{}
	for _, r := range rs {
		one := cell{value: r.v, lo: r.lo, hi: r.hi}
		w := 1 / (one.se() * one.se())
		sum += w * r.v
		weight += w
		out.n += r.n
		if len(out.cases) == 0 || out.cases[len(out.cases)-1] != r.id {
			out.cases = append(out.cases, r.id)
		}
	}
	out.value = sum / weight
	chi2 := 0.0
	for _, r := range rs {
		one := cell{value: r.v, lo: r.lo, hi: r.hi}
		chi2 += (r.v - out.value) * (r.v - out.value) / (one.se() * one.se())
	}
	birge := max(1, chi2/float64(len(rs)-1))
	half := 1.96 * math.Sqrt(birge/weight)
	out.lo, out.hi = out.value-half, out.value+half
	var warn []lut.Warning
	// Wilson–Hilferty: (χ²/ν)^⅓ is nearly normal with mean 1−2/9ν, variance 2/9ν.
	nu := float64(len(rs) - 1)
	z := (math.Cbrt(chi2/nu) - (1 - 2/(9*nu))) / math.Sqrt(2/(9*nu))
	if z > 3.09 && birge > 1 { // p < 0.001
		warn = append(warn, lut.Warning{Code: "disagree", Key: key, P: stats.Significant(math.Erfc(z/math.Sqrt2) / 2),
			Detail: fmt.Sprintf("%d records of one key differ by more than their noise (%.4g to %.4g)", len(rs),
				slices.MinFunc(rs, func(a, b reading) int { return cmp.Compare(a.v, b.v) }).v,
				slices.MaxFunc(rs, func(a, b reading) int { return cmp.Compare(a.v, b.v) }).v)})
	}
	return out, warn
}

// aboutTime are the codes that say how far a latency can be trusted and nothing of the
// bytes that a model takes.
var aboutTime = []record.Validity{record.Noisy, record.Preempted, record.Drift, record.Throttled, record.LowBattery, record.ThermalTimeout}

func usable(r *record.Record, accept []record.Validity, metric lut.Metric) bool {
	for _, code := range r.Validity {
		if metric == lut.Memory && slices.Contains(aboutTime, code) {
			continue
		}
		if code != record.OK && !slices.Contains(accept, code) {
			return false
		}
	}
	return len(r.Validity) > 0
}

// title names a record for people.
func title(r *record.Record) string { return titleOf(r.Name, r.Key, r.Case) }

func titleOf(name string, key *lut.Op, id string) string {
	switch {
	case name != "":
		return name
	case key != nil:
		return key.String()
	}
	return id
}

// fingerprint is the SHA-256 of all that the compiler reads of a record, as bytes: the case and
// the key, ended by zeros, the value and its interval as IEEE 754 bits, the count.
func fingerprint(id string, key []byte, v, lo, hi float64, n int) [sha256.Size]byte {
	var room [256]byte
	b := room[:0]
	b = append(b, id...)
	b = append(b, 0)
	b = append(b, key...)
	b = append(b, 0)
	for _, x := range []float64{v, lo, hi} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(n)))
}

// sample lists the first few of many, sorted.
func sample(list []string) string {
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + fmt.Sprintf(" and %d more", len(list)-5)
	}
	return strings.Join(list, ", ")
}

package costgen

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// cell is one key with the evidence of all its records.
type cell struct {
	op            lut.Op
	family        string // of the op's key
	value, lo, hi float64
	n             int
	cases         []string // sorted
	censored      bool
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
	anchor   float64 // anchor ratio − 1
	n        int
}

// campaign is what cleaning leaves of the records.
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
func clean(sources []Source, opt Options) *campaign {
	metric := opt.Metric
	calibrate, audit := opt.Calibrate, opt.Audit
	c := &campaign{}
	accepted := map[string][]string{}
	cells := map[string]int{}
	var ops []lut.Op
	var keys []string
	var readings [][]reading
	var overhead []reading
	dropped := map[string][]string{} // validity → names
	var cellPrint multiset
	ranges := map[string][]string{} // warnings that name records
	seen := map[string]bool{}

	take := func(s Source, set string) {
		for i := range s.Records {
			r := &s.Records[i].Record
			if r.Kind == benchmarks.RoleAnchor {
				continue
			}
			if set != "" && r.Kind != benchmarks.RoleNetwork {
				continue
			}
			if !usable(r, opt.Accept) {
				dropped[strings.Join(r.Validity, "+")] = append(dropped[strings.Join(r.Validity, "+")], title(r))
				continue
			}
			if !r.IsOK() {
				accepted[strings.Join(r.Validity, "+")] = append(accepted[strings.Join(r.Validity, "+")], title(r))
			}
			v, lo, hi, n, has := value(r, metric)
			if !has {
				dropped["no-"+metric] = append(dropped["no-"+metric], title(r))
				continue
			}
			switch r.Kind {
			case benchmarks.RoleCell:
				if r.Key == nil {
					dropped["no-key"] = append(dropped["no-key"], title(r))
					continue
				}
				key := r.Key.String()
				cellPrint.add(fingerprint(r.Case, key, v, lo, hi, n))
				if hi <= 0 {
					ranges["non-positive"] = append(ranges["non-positive"], fmt.Sprintf("%s:%d %s (%.4g)", s.Name, s.Records[i].Line, key, v))
					continue
				}
				j, known := cells[key]
				if !known {
					j = len(ops)
					cells[key] = j
					ops = append(ops, *r.Key)
					keys = append(keys, key)
					readings = append(readings, nil)
				}
				readings[j] = append(readings[j], reading{r.Case, v, lo, hi, n})
			case benchmarks.RoleOverhead:
				cellPrint.add(fingerprint(r.Case, "overhead", v, lo, hi, n))
				overhead = append(overhead, reading{r.Case, v, lo, hi, n})
			case benchmarks.RoleNetwork:
				if v <= 0 || len(r.Ops) == 0 {
					why := "no-ops"
					if v <= 0 {
						why = "non-positive"
					}
					ranges[why] = append(ranges[why], fmt.Sprintf("%s:%d %s", s.Name, s.Records[i].Line, title(r)))
					continue
				}
				which := set
				if which == "" {
					which = r.Set
				}
				if which != benchmarks.SetCalibrate && which != benchmarks.SetAudit {
					ranges["no-set"] = append(ranges["no-set"], title(r))
					continue
				}
				nw := network{id: r.Case, name: r.Name, ops: r.Ops, value: v, lo: lo, hi: hi, n: n}
				if r.BetweenUS != nil && metric == lut.Latency {
					nw.between = *r.BetweenUS
				}
				if r.AnchorRatio != nil {
					nw.anchor = *r.AnchorRatio - 1
				}
				if print := which + string(fingerprint(r.Case, "", v, lo, hi, n)); seen[print] {
					continue // the same record twice, e.g. a file given both as records and as --audit
				} else {
					seen[print] = true
				}
				if which == benchmarks.SetCalibrate {
					c.calibrate = append(c.calibrate, nw)
				} else {
					c.audit = append(c.audit, nw)
				}
			}
		}
	}
	for _, s := range sources {
		take(s, "")
	}
	for _, s := range calibrate {
		take(s, benchmarks.SetCalibrate)
	}
	for _, s := range audit {
		take(s, benchmarks.SetAudit)
	}

	for i, op := range ops {
		key := keys[i]
		merged, warn := merge(key, readings[i])
		merged.op = op
		merged.family, _, _ = strings.Cut(key, "@")
		if merged.value <= 0 || merged.lo < 0 && merged.value < merged.hi/4 {
			merged.censored = true
			merged.lo = 0
			merged.value = merged.hi / 2
			ranges["censored"] = append(ranges["censored"], key)
		}
		merged.lo = max(0, merged.lo)
		c.cells = append(c.cells, merged)
		c.warnings = append(c.warnings, warn...)
	}
	slices.SortFunc(c.cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.family, b.family), compareAt(a.op.At, b.op.At))
	})
	if len(overhead) > 0 {
		m, warn := merge("overhead", overhead)
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

	for _, why := range sortedKeys(accepted) {
		c.warn("accepted", "%d records are %s and were used all the same: %s", len(accepted[why]), why, sample(accepted[why]))
	}
	for _, why := range sortedKeys(dropped) {
		c.warn("dropped", "%d records are %s and were left out: %s", len(dropped[why]), why, sample(dropped[why]))
	}
	for _, why := range sortedKeys(ranges) {
		list := ranges[why]
		switch why {
		case "non-positive":
			c.warn(why, "%d records have a cost that is not positive and were refused: %s", len(list), sample(list))
		case "censored":
			c.warn(why, "%d cells cost too little to tell from zero; half the upper bound stands for them: %s", len(list), sample(list))
		case "no-ops":
			c.warn(why, "%d networks do not name their operators and cannot be predicted: %s", len(list), sample(list))
		case "no-set":
			c.warn(why, "%d networks are neither for calibration nor for audit and were left out: %s", len(list), sample(list))
		}
	}
	c.inputs = append(c.inputs, cellPrint.input("cells"))
	for kind, nets := range map[string][]network{"calibrate": c.calibrate, "audit": c.audit} {
		if len(nets) == 0 {
			continue
		}
		var prints multiset
		for _, n := range nets {
			var keys strings.Builder
			for _, op := range n.ops {
				keys.WriteString(op.String())
				keys.WriteByte(' ')
			}
			prints.add(fingerprint(n.id, keys.String(), n.value, n.lo, n.hi, n.n))
		}
		c.inputs = append(c.inputs, prints.input(kind))
	}
	slices.SortFunc(c.inputs, func(a, b lut.Input) int { return cmp.Compare(a.Kind, b.Kind) })
	return c
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
		warn = append(warn, lut.Warning{Code: "disagree", Key: key, P: significant(math.Erfc(z/math.Sqrt2) / 2),
			Detail: fmt.Sprintf("%d records of one key differ by more than their noise (%.4g to %.4g)", len(rs),
				slices.MinFunc(rs, func(a, b reading) int { return cmp.Compare(a.v, b.v) }).v,
				slices.MaxFunc(rs, func(a, b reading) int { return cmp.Compare(a.v, b.v) }).v)})
	}
	return out, warn
}

func usable(r *record.Record, accept []string) bool {
	for _, code := range r.Validity {
		if code != record.OK && !slices.Contains(accept, code) {
			return false
		}
	}
	return len(r.Validity) > 0
}

// title names a record for people.
func title(r *record.Record) string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Key != nil:
		return r.Key.String()
	}
	return r.Case
}

// fingerprint is what the compiler reads of a record, as bytes: the case and the
// key, ended by zeros, the value and its interval as IEEE 754 bits, the count.
func fingerprint(id, key string, v, lo, hi float64, n int) []byte {
	b := make([]byte, 0, len(id)+len(key)+2+4*8)
	b = append(b, id...)
	b = append(b, 0)
	b = append(b, key...)
	b = append(b, 0)
	for _, x := range []float64{v, lo, hi} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return binary.LittleEndian.AppendUint64(b, uint64(n))
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

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// compareAt orders positions numerically.
func compareAt(a, b []lut.Coord) int {
	return slices.CompareFunc(a, b, func(x, y lut.Coord) int {
		return cmp.Or(cmp.Compare(x.Axis, y.Axis), cmp.Compare(x.Value, y.Value))
	})
}

// significant rounds to 7 digits, beyond any measurement: the table stays
// readable and rounding keeps the order.
func significant(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 6, 64), 64)
	return r
}

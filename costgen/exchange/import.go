package exchange

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Formats that Import reads; Exports those that Export writes.
var (
	Formats = []string{"ofa", "fbnet", "tfnas", "csv", "json"}
	Exports = []string{"ofa", "csv", "json", "c"}
)

// Options say what a published table leaves open.
type Options struct {
	Device    string        // name of the device, for people; "" is unknown
	Precision lut.Precision // of keys that do not say; "" is fp32
	// DropBad leaves cells out that are not positive instead of refusing the file;
	// each is named in a warning.
	DropBad bool
}

// entry is one cell of a published table, in microseconds.
type entry struct {
	op     lut.Op
	us     float64
	std    float64 // 0 when not published
	lo, hi float64 // a 95 % interval, published as such; 0 when not
	n      int
	where  string // the name it has in its file
}

// published holds the costs that a reader finds in a file.
type published struct {
	entries  []entry
	base     float64  // a fixed cost, us; 0 when there is none
	unknown  []string // names no key describes
	warnings []lut.Warning
}

// BadCellsError lists every cell of an import whose cost is not positive.
type BadCellsError struct{ Cells []string }

func (e *BadCellsError) Error() string {
	list := e.Cells
	more := ""
	if len(list) > 10 {
		list, more = list[:10], fmt.Sprintf("\n  and %d more", len(e.Cells)-10)
	}
	return fmt.Sprintf("%d cells have a cost that is not positive:\n  %s%s", len(e.Cells), strings.Join(list, "\n  "), more)
}

// Hint says what to do about them.
func (e *BadCellsError) Hint() string {
	return "such values come from extrapolation; measure them, or leave them out with --drop-bad"
}

// Import reads a published table.
func Import(format string, data []byte, opt Options) (*lut.Table, error) {
	if opt.Precision == "" {
		opt.Precision = lut.FP32
	}
	var p published
	var err error
	switch format {
	case "ofa":
		p, err = readOFA(data, opt.Precision)
	case "fbnet":
		p, err = readFBNet(data, opt.Precision)
	case "tfnas":
		p, err = readTFNAS(data, opt.Precision)
	case "csv":
		p, err = readCSV(data)
	case "json":
		p, err = readJSON(data)
	default:
		return nil, fmt.Errorf("cannot import the format %q, only %s", format, strings.Join(Formats, ", "))
	}
	if err != nil {
		if hint.Of(err) == "" {
			err = hint.Wrap(err, "is it of the format %s, and whole? --from takes %s", format, strings.Join(Formats, ", "))
		}
		return nil, err
	}
	return build(p, format, data, opt)
}

func build(p published, format string, data []byte, opt Options) (*lut.Table, error) {
	slices.SortFunc(p.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.op.Grid(), b.op.Grid()), slices.CompareFunc(a.op.At, b.op.At, func(x, y lut.Coord) int {
			return cmp.Or(cmp.Compare(x.Axis, y.Axis), cmp.Compare(x.Value, y.Value))
		}), cmp.Compare(a.where, b.where))
	})
	var bad []string
	good := p.entries[:0]
	for _, e := range p.entries {
		if !(e.us > 0) || math.IsInf(e.us, 0) {
			bad = append(bad, fmt.Sprintf("%s (%.4g us)", e.where, e.us))
			continue
		}
		good = append(good, e)
	}
	warnings := p.warnings
	if len(bad) > 0 {
		if !opt.DropBad {
			return nil, &BadCellsError{bad}
		}
		for _, b := range bad {
			warnings = append(warnings, lut.Warning{Code: "non-positive", Detail: b + " was left out"})
		}
	}
	if len(p.unknown) > 0 {
		warnings = append(warnings, lut.Warning{Code: "unknown", Detail: fmt.Sprintf("%d entries have no key of ours and were left out: %s", len(p.unknown), some(p.unknown))})
	}
	if len(good) == 0 {
		return nil, hint.Wrap(fmt.Errorf("no usable cell in the %s table", format), "is it of that format? --from names another")
	}
	f := lut.File{
		Format: lut.Format, Metric: lut.Latency, Unit: lut.Units[lut.Latency], Policy: "raw",
		Device:  lut.Device{ID: "imported", Model: opt.Device},
		Runtime: lut.Runtime{Library: lut.Library{Backend: "imported"}},
		Expires: []string{"unknown: the protocol of an imported table is not recorded"},
	}
	if p.base > 0 {
		f.Overhead = &lut.Overhead{Value: p.base, Lo: p.base, Hi: p.base, Records: []string{"base"}}
	}
	novar := 0
	for i := 0; i < len(good); {
		j := i
		fam := lut.FamilyOf(good[i].op)
		for grid := good[i].op.Grid(); j < len(good) && good[j].op.Grid() == grid; j++ {
			e := good[j]
			at := e.op.Point()
			if n := len(fam.Knots); n > 0 && slices.Equal(fam.Knots[n-1].At, at) {
				warnings = append(warnings, lut.Warning{Code: "doubled", Key: e.op.String(), Detail: fmt.Sprintf(
					"%s and %s have the same key; the first is kept", fam.Knots[n-1].Records[0], e.where)})
				continue
			}
			lo, hi := e.us, e.us
			switch {
			case e.hi > e.lo:
				lo, hi = e.lo, e.hi
			case e.std > 0:
				half := 1.96 * e.std / math.Sqrt(float64(max(1, e.n)))
				lo, hi = max(0, e.us-half), e.us+half
			default:
				novar++
			}
			fam.Knots = append(fam.Knots, lut.Knot{At: at, Raw: e.us, Corrected: e.us, Lo: lo, Hi: hi,
				N: e.n, Reason: lut.Imported, Records: []string{e.where}})
		}
		if w := reversed(fam); w != nil {
			warnings = append(warnings, *w)
		}
		f.Families = append(f.Families, fam)
		i = j
	}
	if novar > 0 {
		warnings = append(warnings, lut.Warning{Code: lut.NoVariance, Detail: fmt.Sprintf("%d of %d cells were published without their spread: they have no interval", novar, len(good))})
	}
	slices.SortStableFunc(warnings, func(a, b lut.Warning) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Detail, b.Detail))
	})
	f.Warnings = warnings
	sum := sha256.Sum256(data)
	f.Inputs = []lut.Input{{Kind: "import", SHA256: hex.EncodeToString(sum[:]), Records: len(good)}}
	return lut.New(f)
}

// reversed counts the neighbours along an axis whose cost falls, in one warning per
// family.
func reversed(fam lut.Family) *lut.Warning {
	steps, falls, worst, at := 0, 0, 0.0, ""
	for d, axis := range fam.Axes {
		lines := map[string][]int{}
		for i, k := range fam.Knots {
			rest := slices.Clone(k.At)
			rest[d] = 0
			lines[fmt.Sprint(rest)] = append(lines[fmt.Sprint(rest)], i)
		}
		for _, line := range lines {
			slices.SortFunc(line, func(a, b int) int { return cmp.Compare(fam.Knots[a].At[d], fam.Knots[b].At[d]) })
			for n := 1; n < len(line); n++ {
				a, b := fam.Knots[line[n-1]], fam.Knots[line[n]]
				steps++
				if fall := 1 - b.Raw/a.Raw; fall > 0 {
					falls++
					where := fmt.Sprintf("%s from %d to %d", axis, a.At[d], b.At[d])
					if fall > worst || fall == worst && where < at {
						worst, at = fall, where
					}
				}
			}
		}
	}
	if falls == 0 {
		return nil
	}
	return &lut.Warning{Code: "reversed", Key: fam.Name(), Detail: fmt.Sprintf("%d of %d steps fall, the worst by %.1f %% (%s)", falls, steps, 100*worst, at)}
}

func some(list []string) string {
	slices.Sort(list)
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + fmt.Sprintf(" and %d more", len(list)-5)
	}
	return strings.Join(list, ", ")
}

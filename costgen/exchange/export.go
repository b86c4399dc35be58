package exchange

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Export writes a table for others. skipped are the keys the format has no name
// for; a format that can name none of them is an error. Only the cells travel:
// calibration and audit stay behind.
func Export(format string, t *lut.Table) (data []byte, skipped []string, err error) {
	if m := t.File().Metric; m != lut.Latency {
		return nil, nil, hint.Wrap(fmt.Errorf("the table holds %s; these formats are for latencies", m), "costgen inspect --json --cells @ prints every cell of any table")
	}
	switch format {
	case "ofa":
		data, skipped = writeOFA(t)
		if len(data) == 0 {
			return nil, nil, hint.Wrap(fmt.Errorf("none of the table's keys has a name in once-for-all's format"),
				"it knows fp32 convolutions and inverted residuals; --to csv writes every key")
		}
	case "csv":
		data = writeCSV(t)
	case "json":
		data = writeJSON(t)
	case "c":
		data = writeHeader(t)
	default:
		return nil, nil, fmt.Errorf("cannot export the format %q, only %s", format, strings.Join(Exports, ", "))
	}
	return data, skipped, nil
}

// each calls f for every cell in the table's order.
func each(t *lut.Table, f func(op lut.Op, c lut.Cost, k lut.Knot)) {
	for _, fam := range t.File().Families {
		for _, k := range fam.Knots {
			op := fam.Member(k.At)
			c, err := t.Cost(op)
			if err != nil {
				panic(err) // a table's own knot
			}
			f(op, c, k)
		}
	}
}

// decimal takes off what a change of unit leaves in the last bits.
func decimal(x float64) float64 {
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 14, 64), 64) // of its own text; an infinity stays one
	return x
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// writeHeader writes a C header: the keys and costs, sorted by key, for a binary
// search.
func writeHeader(t *lut.Table) []byte {
	type cell struct {
		key        string
		us, lo, hi float64
	}
	var cells []cell
	each(t, func(op lut.Op, c lut.Cost, k lut.Knot) { cells = append(cells, cell{op.String(), c.Value, c.Lo, c.Hi}) })
	sortBy(cells, func(c cell) string { return c.key })
	f := t.File()
	var b bytes.Buffer
	fmt.Fprintf(&b, "/* Latency table %s of %s, %s %s. Written by costgen export. */\n", t.Hash()[:12], comment(f.Device.Model), comment(f.Runtime.Backend), comment(f.Runtime.Version))
	b.WriteString("#ifndef ISOCOST_LUT_H\n#define ISOCOST_LUT_H\n\n")
	b.WriteString("/* Microseconds, with a 95 % interval (lo_us = hi_us: published without one); sorted by key (strcmp). */\n")
	b.WriteString("struct isocost_cell { const char *key; double us, lo_us, hi_us; };\n\n")
	fmt.Fprintf(&b, "#define ISOCOST_CELLS %d\n\n", len(cells))
	b.WriteString("#ifdef __GNUC__ /* Whoever includes the header need not use the table. */\n__attribute__((unused))\n#endif\n")
	b.WriteString("static const struct isocost_cell isocost_lut[ISOCOST_CELLS] = {\n")
	for _, c := range cells {
		fmt.Fprintf(&b, "\t{%q, %s, %s, %s},\n", c.key, number(c.us), number(c.lo), number(c.hi))
	}
	b.WriteString("};\n\n#endif\n")
	return b.Bytes()
}

func comment(s string) string { return strings.ReplaceAll(s, "*/", "* /") }

func sortBy[T any](s []T, key func(T) string) {
	slices.SortFunc(s, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}

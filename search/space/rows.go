package space

import (
	"bytes"
	"fmt"
	"math"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// TableFormat is the first field of a table's header line.
const TableFormat = "isocost/table/v1"

// Bounds of a table file.
const (
	maxRows     = 2 << 20
	maxRowBytes = 1 << 20
	maxSamples  = 4096 // utilities of one architecture
)

// Row is one architecture of a table of a published benchmark.
type Row struct {
	Arch    string             `json:"arch"`    // Arch.Key; for plain choices "0|2|1"
	Utility []float64          `json:"utility"` // independent trainings; larger is better
	Cost    map[string]float64 `json:"cost,omitempty"`
}

// rowHeader is a table's optional first line.
type rowHeader struct {
	Format string `json:"format"`
	Name   string `json:"name,omitempty"`
	Source string `json:"source,omitempty"`
}

// ReadRows reads a table, one JSON object per line, and hands every row to f in
// order; name is the file's, for errors (file:line). A header line with the
// format may come first. Unknown fields, values that are not finite, costs that
// are not positive, duplicate architectures and a torn last line are errors.
func ReadRows(name string, data []byte, f func(line int, r Row) error) error {
	seen := map[string]int{}
	for line := 1; len(data) > 0; line++ {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		fail := func(h, format string, args ...any) error {
			err := fmt.Errorf("%s:%d: %w", name, line, fmt.Errorf(format, args...))
			if h != "" {
				err = hint.Wrap(err, "%s", h)
			}
			return err
		}
		if len(bytes.TrimSpace(text)) == 0 && whole {
			return fail("delete it", "an empty line")
		}
		if len(text) > maxRowBytes {
			return fail("", "line is longer than %d bytes", maxRowBytes)
		}
		if line == 1 && bytes.Contains(text, []byte(`"format"`)) {
			var h rowHeader
			if err := strictjson.Decode(text, &h); err != nil {
				return fail("", "header: %w", err)
			}
			if h.Format != TableFormat {
				return fail("this program reads "+TableFormat, "format is %.80q, not %q", h.Format, TableFormat)
			}
			continue
		}
		if line > maxRows {
			return fail("", "over %d rows", maxRows)
		}
		var r Row
		if err := strictjson.Decode(text, &r); err != nil {
			if !whole {
				return fail("the file is cut off: write it again", "torn last line: %w", err)
			}
			return fail(`a row is {"arch":"0|2|1","utility":[91.2],"cost":{"latency_us":840}}`, "%w", err)
		}
		if first, ok := seen[r.Arch]; ok {
			return fail("put all its utilities into one row", "architecture %.200q is duplicate, first on line %d", r.Arch, first)
		}
		seen[r.Arch] = line
		if len(r.Utility) == 0 || len(r.Utility) > maxSamples {
			return fail("", "%d utilities, not 1 to %d", len(r.Utility), maxSamples)
		}
		for metric, v := range r.Cost {
			if !isChoice(metric) {
				return fail("", "metric %.60q is not a name", metric)
			}
			if !(v > 0) || math.IsInf(v, 0) {
				return fail("leave out what was not measured", "cost %s is %v, not positive", metric, v)
			}
		}
		if err := f(line, r); err != nil {
			return fail(hint.Of(err), "%w", err)
		}
	}
	return nil
}

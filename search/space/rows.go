package space

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/isocost/isocost/internal/hint"
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

// ReadRows reads a table, one JSON object a line, and hands every row to f in
// order; name is the file's, for errors (file:line). A header line with the
// format may come first. Unknown fields, values that are not finite, costs that
// are not positive, doubled architectures and a torn last line are errors.
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
			if err := strictJSON(text, &h); err != nil {
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
		if err := strictJSON(text, &r); err != nil {
			if !whole {
				return fail("the file is cut off: write it again", "torn last line: %w", err)
			}
			return fail(`a row is {"arch":"0|2|1","utility":[91.2],"cost":{"latency_us":840}}`, "%w", err)
		}
		if first, ok := seen[r.Arch]; ok {
			return fail("put all its utilities into one row", "architecture %.200q is doubled, first on line %d", r.Arch, first)
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

// strictJSON decodes exactly one JSON value without unknown or repeated fields.
// (JSON has no NaN or infinity.)
func strictJSON(text []byte, v any) error {
	if err := noDoubles(text); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return errors.New("not a whole JSON object")
		}
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("data after the JSON object")
	}
	return nil
}

// noDoubles refuses an object that names a field twice: encoding/json would take
// the last one.
func noDoubles(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	var stack []map[string]bool // nil for arrays
	key := false                // the next string in this object is a name
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil // the decoder proper reports it
		}
		top := len(stack) - 1
		switch t := tok.(type) {
		case json.Delim:
			switch t {
			case '{':
				stack = append(stack, map[string]bool{})
				key = true
				continue
			case '[':
				stack = append(stack, nil)
				key = false
				continue
			default:
				stack = stack[:top]
				top--
			}
		case string:
			if key && top >= 0 && stack[top] != nil {
				if stack[top][t] {
					return fmt.Errorf("field %.60q is doubled", t)
				}
				stack[top][t] = true
				key = false
				continue
			}
		}
		key = top >= 0 && stack[top] != nil
	}
}

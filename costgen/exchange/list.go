package exchange

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

// item is one cell of the plain JSON list: the key, the cost and its 95 % interval
// in microseconds, the number of samples.
type item struct {
	Key lut.Op  `json:"key"`
	US  float64 `json:"us"`
	Lo  float64 `json:"lo_us,omitempty"`
	Hi  float64 `json:"hi_us,omitempty"`
	N   int     `json:"n,omitempty"`
}

// check refuses an interval that does not hold its cost. Whether the cost itself can be
// one is said of all cells at once.
func (i item) check() error {
	if (i.Lo != 0 || i.Hi != 0) && !(i.Lo <= i.US && i.US <= i.Hi) {
		return fmt.Errorf("the interval [%v, %v] does not hold the cost %v", i.Lo, i.Hi, i.US)
	}
	return nil
}

func (i item) entry(where string) entry {
	return entry{op: i.Key, us: i.US, lo: i.Lo, hi: i.Hi, n: i.N, where: where}
}

func readJSON(data []byte) (published, error) {
	var out published
	var items []item
	if err := strictjson.Decode(data, &items); err != nil {
		return out, fmt.Errorf("JSON list: %w", err)
	}
	for _, i := range items {
		if err := i.check(); err != nil {
			return out, fmt.Errorf("JSON list: %s: %w", i.Key, err)
		}
		out.entries = append(out.entries, i.entry(i.Key.String()))
	}
	return out, nil
}

func writeJSON(t *lut.Table) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	first := true
	each(t, func(op lut.Op, c lut.Cost, k lut.Knot) {
		if !first {
			b.WriteByte(',')
		}
		first = false
		line, err := json.Marshal(item{op, c.Value, c.Lo, c.Hi, k.N})
		if err != nil {
			panic(err) // a table's numbers are finite
		}
		b.WriteByte('\n')
		b.Write(line)
	})
	b.WriteString("\n]\n")
	return b.Bytes()
}

// csvColumns is the header of our CSV; import needs key and us, the others may be
// absent.
var csvColumns = []string{"key", "us", "lo_us", "hi_us", "n"}

func readCSV(data []byte) (published, error) {
	var out published
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))) // a spreadsheet's byte order mark
	header, err := r.Read()
	if err != nil {
		return out, fmt.Errorf("CSV: %w", err)
	}
	col := map[string]int{}
	for i, h := range header {
		if !slices.Contains(csvColumns, h) {
			return out, fmt.Errorf("CSV: line 1: unknown column %q, known are %v", h, csvColumns)
		}
		col[h] = i
	}
	for _, need := range csvColumns[:2] {
		if _, ok := col[need]; !ok {
			return out, fmt.Errorf("CSV: line 1: no column %q", need)
		}
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("CSV: %w", err)
		}
		line, _ := r.FieldPos(0)
		var it item
		if it.Key, err = lut.ParseOp(row[col["key"]]); err != nil {
			return out, fmt.Errorf("CSV: line %d: %w", line, err)
		}
		for name, dst := range map[string]*float64{"us": &it.US, "lo_us": &it.Lo, "hi_us": &it.Hi} {
			i, ok := col[name]
			if !ok {
				continue
			}
			if *dst, err = strconv.ParseFloat(row[i], 64); err != nil || math.IsNaN(*dst) {
				return out, fmt.Errorf("CSV: line %d: %s %q is not a number", line, name, row[i])
			}
		}
		if i, ok := col["n"]; ok {
			if it.N, err = strconv.Atoi(row[i]); err != nil || it.N < 0 {
				return out, fmt.Errorf("CSV: line %d: n %q is not a count", line, row[i])
			}
		}
		if err := it.check(); err != nil {
			return out, fmt.Errorf("CSV: line %d: %w", line, err)
		}
		out.entries = append(out.entries, it.entry(fmt.Sprintf("line %d %s", line, it.Key)))
	}
}

func writeCSV(t *lut.Table) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	put := func(row ...string) {
		if err := w.Write(row); err != nil {
			panic(err) // into memory
		}
	}
	put(csvColumns...)
	each(t, func(op lut.Op, c lut.Cost, k lut.Knot) {
		put(op.String(), number(c.Value), number(c.Lo), number(c.Hi), strconv.Itoa(k.N))
	})
	w.Flush()
	return b.Bytes()
}

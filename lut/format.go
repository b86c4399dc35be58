package lut

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// FormatError is a table file that cannot be read: where and why.
type FormatError struct {
	Line int // 1-based, 0 when it concerns the whole file
	Err  error
	hint string
}

func (e *FormatError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%d: %v", e.Line, e.Err)
	}
	return e.Err.Error()
}

func (e *FormatError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *FormatError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return "tables are written by costgen compile; foreign or edited ones come in by costgen import"
}

// wireFamily and wireFile are how the families are spelled in JSON.
type wireFamily struct {
	Family string      `json:"family"`
	Axes   []string    `json:"axes"`
	Stairs []Staircase `json:"stairs"`
	Knots  []Knot      `json:"knots"`
}

type wireFile struct {
	*File
	Model    *wireModel   `json:"model"`
	Families []wireFamily `json:"families"`
	SHA256   string       `json:"sha256"` // of all bytes before the field
}

// wireModel is the model as JSON.
type wireModel struct {
	*Model
	Processes []ModelProcess `json:"processes"`
	Kernels   []ModelKernel  `json:"kernels"`
}

// Decode reads a table file. It accepts exactly what Encode writes: an unknown
// field, a duplicate one, a value out of its domain, a different order, a torn end or
// a byte that its hash does not vouch for is a *FormatError with its line.
func Decode(data []byte) (*Table, error) {
	var probe struct {
		Format string `json:"format"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&probe); err != nil {
		return nil, decodeError(data, dec, err)
	}
	if probe.Format != Format {
		e := &FormatError{Line: 1, Err: fmt.Errorf("format is %.60q, want %q", probe.Format, Format)}
		if probe.Format == "" {
			e.hint = "this is not a table of isocost; published tables come in by costgen import"
		} else {
			e.hint = "this costgen reads " + Format + ": compile the records again or use the costgen that wrote it"
		}
		return nil, e
	}
	w := wireFile{File: &File{}}
	dec = json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return nil, decodeError(data, dec, err)
	}
	if w.SHA256 == "" {
		return nil, &FormatError{Line: 1 + bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n")), Err: errors.New("the table does not end with its hash"),
			hint: "tables compiled before they had one are no longer read: compile the records again"}
	}
	f := w.File
	for _, wf := range w.Families {
		op, err := ParseOp(wf.Family)
		if err != nil {
			at := bytes.Index(data, append([]byte(`"family":`), compact(wf.Family)...))
			return nil, &FormatError{Line: 1 + bytes.Count(data[:max(at, 0)], []byte("\n")), Err: fmt.Errorf("family: %w", err)}
		}
		f.Families = append(f.Families, Family{op, wf.Axes, wf.Knots, wf.Stairs})
	}
	if w.Model != nil {
		f.Model = w.Model.Model
		if f.Model == nil {
			f.Model = &Model{}
		}
		f.Model.Processes, f.Model.Kernels = w.Model.Processes, w.Model.Kernels
	}
	t, err := New(*f)
	if err != nil {
		return nil, &FormatError{Err: err}
	}
	if canon := t.Encode(); !bytes.Equal(canon, data) {
		line := firstDifference(canon, data)
		if line == 1+bytes.Count(canon[:bytes.LastIndex(canon, []byte(hashField))], []byte("\n"))+1 {
			return nil, &FormatError{Line: line, Err: errors.New("the table does not have the hash that its end names: it was changed or damaged"),
				hint: "copy the file again, or compile the records again"}
		}
		return nil, &FormatError{Line: line, Err: fmt.Errorf("not canonical: written by costgen this line would read %.120q", lineOf(canon, line))}
	}
	return t, nil
}

func decodeError(data []byte, dec *json.Decoder, err error) error {
	off := dec.InputOffset()
	var syn *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syn):
		off = syn.Offset
	case errors.As(err, &typ):
		off = typ.Offset
	}
	if typ != nil {
		want := typ.Type.Kind().String()
		switch {
		case strings.Contains(want, "int"):
			want = "whole number"
		case strings.HasPrefix(want, "float"):
			want = "number"
		}
		err = fmt.Errorf("%s is of type %s, want %s", typ.Field, typ.Value, want)
	}
	e := &FormatError{Line: 1 + bytes.Count(data[:min(int(off), len(data))], []byte("\n")), Err: err}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || syn != nil && int(syn.Offset) >= len(data) {
		e.Line = 1 + bytes.Count(data, []byte("\n"))
		e.Err = errors.New("the file ends in the middle of the table")
		e.hint = "the file was cut off: copy it again or compile the records again"
	}
	return e
}

func firstDifference(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return 1 + bytes.Count(a[:n], []byte("\n"))
}

func lineOf(data []byte, line int) []byte {
	lines := bytes.Split(data, []byte("\n"))
	if line > len(lines) {
		return nil
	}
	return lines[line-1]
}

// hashField begins the last line of a table. What the line names is the SHA-256 of
// the bytes before it: most numbers of a table could be off by a digit and still make
// sense, and a cost is acted on.
const hashField = ",\n\"sha256\":\""

// Encode writes the canonical bytes of the table: fixed field order, families by
// name, one knot a line, shortest numbers, the hash of all that at the end.
func (t *Table) Encode() []byte {
	var b bytes.Buffer
	f := t.file
	field := func(name string, v any) {
		b.WriteString("\"" + name + "\":")
		b.Write(compact(v))
	}
	b.WriteByte('{')
	field("format", f.Format)
	for _, kv := range []struct {
		name string
		v    any
	}{
		{"metric", f.Metric}, {"unit", f.Unit}, {"policy", f.Policy}, {"device", f.Device},
		{"runtime", f.Runtime}, {"protocol", f.Protocol},
	} {
		b.WriteString(",\n")
		field(kv.name, kv.v)
	}
	b.WriteString(",\n")
	lines(&b, "inputs", f.Inputs)
	b.WriteString(",\n")
	lines(&b, "warnings", f.Warnings)
	b.WriteString(",\n")
	lines(&b, "expires", f.Expires)
	if f.Overhead != nil {
		b.WriteString(",\n")
		field("overhead", f.Overhead)
	}
	if f.Calibration != nil {
		b.WriteString(",\n")
		field("calibration", f.Calibration)
	}
	if f.Audit != nil {
		b.WriteString(",\n")
		field("audit", f.Audit)
	}
	if m := f.Model; m != nil {
		b.WriteString(",\n\"model\":")
		b.Write(bytes.TrimSuffix(compact(m), []byte("}")))
		b.WriteString(",\n")
		lines(&b, "processes", m.Processes)
		b.WriteString(",\n")
		lines(&b, "kernels", m.Kernels)
		b.WriteByte('}')
	}
	b.WriteString(",\n\"families\":[")
	for i := range f.Families {
		fam := &f.Families[i]
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n{")
		field("family", fam.Name())
		b.WriteByte(',')
		field("axes", fam.Axes)
		b.WriteByte(',')
		if len(fam.Stairs) > 0 {
			lines(&b, "stairs", fam.Stairs)
			b.WriteString(",\n")
		}
		lines(&b, "knots", fam.Knots)
		b.WriteByte('}')
	}
	b.WriteByte(']')
	sum := sha256.Sum256(b.Bytes())
	b.WriteString(hashField + hex.EncodeToString(sum[:]) + "\"}\n")
	return b.Bytes()
}

// lines writes a JSON array with one element a line.
func lines[T any](b *bytes.Buffer, name string, vs []T) {
	b.WriteString("\"" + name + "\":[")
	for i, v := range vs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(compact(v))
	}
	b.WriteByte(']')
}

func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("lut: encode %T: %v", v, err)) // validated data always encodes
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Hash is the SHA-256 of the canonical bytes, in hexadecimal: the table's name
// in journals and certificates.
func (t *Table) Hash() string {
	sum := sha256.Sum256(t.Encode())
	return hex.EncodeToString(sum[:])
}

// normalise replaces nil slices by empty ones, so that equal tables have equal
// bytes, and sorts what has no order of its own.
func (f *File) normalise() {
	f.Inputs = orEmpty(f.Inputs)
	f.Warnings = orEmpty(f.Warnings)
	f.Expires = orEmpty(f.Expires)
	f.Families = orEmpty(f.Families)
	for i := range f.Families {
		fam := &f.Families[i]
		fam.Axes, fam.Knots = orEmpty(fam.Axes), orEmpty(fam.Knots)
		for j := range fam.Knots {
			k := &fam.Knots[j]
			k.At, k.Records = orEmpty(k.At), orEmpty(k.Records)
		}
		for j := range fam.Stairs {
			st := &fam.Stairs[j]
			st.Factors = orEmpty(st.Factors)
			for n := range st.Factors {
				st.Factors[n].At = orEmpty(st.Factors[n].At)
			}
		}
	}
	if o := f.Overhead; o != nil {
		o.Records = orEmpty(o.Records)
	}
	if c := f.Calibration; c != nil {
		c.Curve, c.Candidates, c.Records = orEmpty(c.Curve), orEmpty(c.Candidates), orEmpty(c.Records)
	}
	if m := f.Model; m != nil {
		m.normalise()
	}
	if a := f.Audit; a != nil {
		a.Feasible, a.Corners, a.Networks = orEmpty(a.Feasible), orEmpty(a.Corners), orEmpty(a.Networks)
	}
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// Validate lists every problem of the table, joined; nil when there is none.
func (f *File) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		if len(errs) < 20 {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if f.Format != Format {
		bad("format is %q, want %q", f.Format, Format)
	}
	if unit, ok := Units[f.Metric]; !ok {
		bad("metric %q is not latency, energy or memory", f.Metric)
	} else if f.Unit != unit {
		bad("unit of %s is %q, want %q", f.Metric, f.Unit, unit)
	}
	if !slices.Contains(Policies, f.Policy) {
		bad("policy %q is not isotonic, regime, strict or raw", f.Policy)
	}
	if err := f.Device.Caches.Validate(); err != nil {
		bad("device: %v", err)
	}
	if f.Runtime.Threads < 0 {
		bad("runtime has %d threads", f.Runtime.Threads)
	}
	if y := f.Protocol.YAML; y != "" {
		if sum := sha256.Sum256([]byte(y)); hex.EncodeToString(sum[:]) != f.Protocol.SHA256 {
			bad("the protocol's text does not have the hash %.80q", f.Protocol.SHA256)
		}
	}
	for _, w := range f.Warnings {
		if w.Code == "" || w.Detail == "" || !(w.P >= 0 && w.P <= 1) {
			bad("warning %q lacks a code or a detail, or its p is not a probability", w.Detail)
		}
	}
	for _, in := range f.Inputs {
		if raw, err := hex.DecodeString(in.SHA256); err != nil || len(raw) != sha256.Size || in.Records < 0 || in.Kind == "" {
			bad("input %q has no SHA-256 or a negative number of records", in.Kind)
		}
	}
	if o := f.Overhead; o != nil && !(finite(o.Value) && finite(o.Lo) && finite(o.Hi) && 0 <= o.Lo && o.Lo <= o.Value && o.Value <= o.Hi && o.N >= 0) {
		bad("overhead %v is negative or outside its interval [%v, %v]", o.Value, o.Lo, o.Hi)
	}
	for i := range f.Families {
		fam := &f.Families[i]
		if i > 0 && f.Families[i-1].Grid() >= fam.Grid() {
			bad("family %s is duplicate or out of order", fam.Grid())
		}
		fam.validate(bad)
	}
	if f.Calibration != nil {
		f.Calibration.validate(bad)
	}
	if f.Audit != nil {
		f.Audit.validate(bad)
	}
	if f.Model != nil {
		f.Model.validate(bad)
	}
	return errors.Join(errs...)
}

func (c *Calibration) validate(bad func(string, ...any)) {
	if !positive(c.A) || !finite(c.B) || !finite(c.C) {
		bad("calibration: a must be positive and b, c finite, got %v, %v, %v", c.A, c.B, c.C)
	}
	for i, p := range c.Curve {
		if !positive(p.X) || !positive(p.Y) || i > 0 && (p.X <= c.Curve[i-1].X || p.Y < c.Curve[i-1].Y) {
			bad("calibration: curve point %d (%v, %v) does not rise", i, p.X, p.Y)
		}
	}
	if t := c.Traffic; t != nil {
		if !(finite(t.Linear) && finite(t.Conv) && finite(t.Spill) && min(t.Linear, t.Conv, t.Spill) >= 0) || t.Near < 0 || t.From < 0 || t.To <= t.From {
			bad("calibration: impossible traffic %+v", *t)
		}
	}
	if !positive(c.SumLo) || !finite(c.SumHi) || c.SumHi < c.SumLo || c.N < 1 {
		bad("calibration: fitted on %d networks of sums from %v to %v", c.N, c.SumLo, c.SumHi)
	}
	if !finite(c.Residual95) || c.Residual95 < 0 {
		bad("calibration: residual95 is %v", c.Residual95)
	}
	c.Raw.validate("calibration", bad)
	c.Fitted.validate("calibration", bad)
}

func (e *Errors) validate(what string, bad func(string, ...any)) {
	if e.N < 0 || !finite(e.Bias) || !finite(e.RMSPE) || !finite(e.Max) || e.RMSPE < 0 || e.Max < 0 ||
		!(e.Acc5 >= 0 && e.Acc5 <= 1 && e.Acc10 >= e.Acc5 && e.Acc10 <= 1) {
		bad("%s: impossible error summary %+v", what, *e)
	}
}

func (a *Audit) validate(bad func(string, ...any)) {
	a.Raw.validate("audit", bad)
	a.Errors.validate("audit", bad)
	if !(a.Delta > 0 && a.Delta < 1 && a.Beta > 0 && a.Beta < 1) || a.K < 0 || a.Missing < 0 || !finite(a.Gamma) || a.Gamma < 0 {
		bad("audit: impossible delta %v, beta %v, k %d, missing %d or gamma %v", a.Delta, a.Beta, a.K, a.Missing, a.Gamma)
	}
	if (a.Eta == nil) != (a.Missing > 0) || a.Eta != nil && (!finite(*a.Eta) || *a.Eta < 0) {
		bad("audit: eta and the number of missing networks contradict each other")
	}
	for _, n := range a.Networks {
		if !positive(n.Measured) || !positive(n.Sum) || !positive(n.Predicted) || n.Kernels < 1 {
			bad("audit: network %s has a cost that is not a positive number, or no kernels", n.Case)
		}
	}
}

func finite(x float64) bool   { return !math.IsNaN(x) && !math.IsInf(x, 0) }
func positive(x float64) bool { return finite(x) && x > 0 }

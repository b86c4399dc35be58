package record

import (
	"bytes"
	"strconv"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

// A file is nearly all records and visits. Their lines are read here in the one order of
// fields that they are written in, at a quarter of encoding/json's cost: what is read counts
// where encoding it gives the line again, and everything else – texts with escapes, a
// network's kernels, damage – is left to strictjson, and so is every error.

// parse reads the content of a line.
func (d *decoder) parse(object []byte, l *Line) error {
	t := text{rest: object, names: d.names}
	switch {
	case t.has(`{"record":`):
		l.Record = t.record()
	case t.has(`{"visit":`):
		l.Visit = t.visit()
	}
	if t.must(`}`); !t.odd && len(t.rest) == 0 {
		if again, err := encodeLine(*l); err == nil && bytes.Equal(again, object) {
			return l.Validate()
		}
	}
	*l = Line{}
	if err := strictjson.Known(object, l); err != nil {
		return err
	}
	if err := l.Validate(); err != nil {
		return err
	}
	return canonical(object, *l)
}

// text is what is left of a line; odd as soon as it is not as expected.
type text struct {
	rest  []byte
	odd   bool
	names map[string]string // texts that come again and again
}

// has takes a mark off where the text begins with it.
func (t *text) has(mark string) bool {
	if t.odd || len(t.rest) < len(mark) || string(t.rest[:len(mark)]) != mark {
		return false
	}
	t.rest = t.rest[len(mark):]
	return true
}

func (t *text) must(mark string) {
	if !t.has(mark) {
		t.odd = true
	}
}

// quoted takes a text without escapes.
func (t *text) quoted() []byte {
	t.must(`"`)
	n := bytes.IndexByte(t.rest, '"')
	if t.odd || n < 0 || bytes.IndexByte(t.rest[:n], '\\') >= 0 {
		t.odd = true
		return nil
	}
	field := t.rest[:n]
	t.rest = t.rest[n+1:]
	return field
}

func (t *text) string() string { return string(t.quoted()) }

// name takes a text that other lines have, too.
func (t *text) name() string {
	b := t.quoted()
	s, ok := t.names[string(b)]
	if !ok {
		s = string(b)
		t.names[s] = s
	}
	return s
}

func (t *text) digits() []byte {
	n := 0
	for n < len(t.rest) && t.rest[n] != ',' && t.rest[n] != ']' && t.rest[n] != '}' {
		n++
	}
	field := t.rest[:n]
	t.rest = t.rest[n:]
	return field
}

func (t *text) number() float64 {
	v, err := strconv.ParseFloat(string(t.digits()), 64)
	t.odd = t.odd || err != nil
	return v
}

func (t *text) whole() int {
	v, err := strconv.Atoi(string(t.digits()))
	t.odd = t.odd || err != nil
	return v
}

func (t *text) interval() (i Interval) {
	t.must(`[`)
	i[0] = t.number()
	t.must(`,`)
	i[1] = t.number()
	t.must(`]`)
	return i
}

// list takes elements in brackets.
func (t *text) list(element func()) {
	t.must(`[`)
	for element(); t.has(`,`); {
		element()
	}
	t.must(`]`)
}

func (t *text) visit() *Visit {
	v := &Visit{}
	t.must(`{"group":`)
	v.Group = t.whole()
	t.must(`,"round":`)
	v.Round = t.whole()
	t.must(`,"seq":`)
	v.Seq = t.whole()
	t.must(`,"model":`)
	v.Model = t.name()
	t.must(`,"at_s":`)
	v.AtS = t.number()
	t.must(`,"us":`)
	t.list(func() { v.US = append(v.US, t.number()) })
	if t.has(`,"preempted":`) {
		t.list(func() { v.Preempted = append(v.Preempted, t.whole()) })
	}
	t.must(`}`)
	return v
}

func (t *text) record() *Record {
	r := &Record{}
	figures := make([]float64, 0, 8) // of which the record points to those it has
	figure := func(mark string, to **float64) {
		if t.has(mark) {
			figures = append(figures, t.number())
			*to = &figures[len(figures)-1]
		}
	}
	t.must(`{"kind":`)
	r.Kind = role.Role(t.name())
	t.must(`,"case":`)
	r.Case = t.string()
	if t.has(`,"name":`) {
		r.Name = t.string()
	}
	if t.has(`,"set":`) {
		r.Set = role.Set(t.name())
	}
	if t.has(`,"key":`) {
		op, err := lut.ParseOp(t.string())
		r.Key, t.odd = &op, t.odd || err != nil
	}
	t.must(`,"validity":`)
	t.list(func() { r.Validity = append(r.Validity, Validity(t.name())) })
	if t.has(`,"detail":`) {
		r.Detail = t.string()
	}
	if t.has(`,"execution":`) {
		r.Execution = Execution(t.name())
	}
	figure(`,"estimate_us":`, &r.EstimateUS)
	if t.has(`,"ci95_us":`) {
		i := t.interval()
		r.CI95US = &i
	}
	t.must(`,"n":`)
	r.N = t.whole()
	figure(`,"median_us":`, &r.MedianUS)
	figure(`,"mad_us":`, &r.MADUS)
	figure(`,"within_us":`, &r.WithinUS)
	figure(`,"between_us":`, &r.BetweenUS)
	t.must(`,"rounds":`)
	r.Rounds = t.whole()
	t.must(`,"stop":`)
	r.Stop = Stop(t.name())
	figure(`,"anchor_ratio":`, &r.ReferenceRatio)
	if t.has(`,"group_ratio":`) {
		r.GroupRatio = t.number()
	}
	figure(`,"isolated_us":`, &r.IsolatedUS)
	figure(`,"elsewhere_us":`, &r.SecondContextUS)
	if t.has(`,"context":`) {
		r.Context = t.number()
	}
	if t.has(`,"terms":`) {
		r.Terms = make([]TermSamples, 0, 2)
		t.list(func() { r.Terms = append(r.Terms, t.term()) })
	}
	if t.has(`,"memory":`) {
		r.Memory = t.memory()
	}
	t.must(`}`)
	return r
}

func (t *text) term() (s TermSamples) {
	t.must(`{"coef":`)
	s.Coef = t.number()
	t.must(`,"model":`)
	s.Model = t.string()
	t.must(`,"estimate_us":`)
	s.EstimateUS = t.number()
	t.must(`,"ci95_us":`)
	s.CI95US = t.interval()
	t.must(`,"n":`)
	s.N = t.whole()
	t.must(`,"preempted":`)
	s.Preempted = t.whole()
	t.must(`,"outliers":`)
	s.Outliers = t.whole()
	t.must(`}`)
	return s
}

func (t *text) memory() *Memory {
	m := &Memory{}
	separator := `{`
	for _, f := range []struct {
		name string
		to   **int64
	}{
		{`"weights_bytes":`, &m.WeightsBytes}, {`"peak_activation_bytes":`, &m.PeakActBytes}, {`"liveness_bytes":`, &m.LivenessBytes}, {`"peak_rss_bytes":`, &m.PeakRSSBytes},
	} {
		if t.has(separator + f.name) {
			v, err := strconv.ParseInt(string(t.digits()), 10, 64)
			*f.to, t.odd, separator = &v, t.odd || err != nil, `,`
		}
	}
	if t.has(separator + `"source":`) {
		m.Source = MemorySource(t.name())
	}
	t.must(`}`)
	return m
}

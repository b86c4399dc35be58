package costgen

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// Source is one file of records.
type Source struct {
	Name    string // for messages
	Header  record.Header
	Records []Line
	// Unfinished is a campaign that was interrupted: its records are written when
	// it ends.
	Unfinished bool

	read  reader    // gives the records in place of Records; nil without
	times []float64 // by which latencies are multiplied, one after another
}

// reader goes through a file's records and reports whether the campaign was finished.
type reader func(ctx context.Context, take func(Line)) (finished bool, err error)

// Line is a record and the line of its file it stands on.
type Line struct {
	Line int
	record.Record
}

// FromFile takes the records out of a file that record.Read has read.
func FromFile(f *record.File) Source {
	s := Source{Name: f.Path, Header: f.Header, Unfinished: f.End == nil}
	for _, e := range f.Records {
		if e.Record != nil {
			s.Records = append(s.Records, Line{e.Row, *e.Record})
		}
	}
	return s
}

// each goes through the source's records, which take may keep, their lines not. It fails when ctx
// ends or the file cannot be read.
func (s *Source) each(ctx context.Context, take func(*Line)) error {
	if s.read != nil {
		n := 0
		finished, err := s.read(ctx, func(l Line) {
			n++
			l.scale(s.times)
			take(&l)
		})
		s.Unfinished = !finished && n == 0
		return err
	}
	for i := range s.Records {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := &s.Records[i]
		if len(s.times) > 0 {
			copied := *l
			l = &copied
			l.scale(s.times)
		}
		take(l)
	}
	return nil
}

// Options say what to compile and how to judge it. The zero value is replaced by
// Defaults.
type Options struct {
	Metric lut.Metric
	Policy lut.Policy
	// Delta and Beta: η bounds the (1−Delta) quantile with confidence 1−Beta.
	Delta, Beta float64
	// Tau is the half-width of the iso-cost band in which ranks and feasibility
	// are judged.
	Tau float64
	// Accept lists validity codes, besides ok, whose estimates are used all the
	// same (noisy, drift, preempted): their intervals say how little they are worth.
	Accept []record.Validity
	// Slopes keeps interpolation to plain slopes between knots: no staircases are
	// looked for.
	Slopes bool
	// Calibrate and Audit are further files: their end-to-end records are of that
	// set, whatever they say themselves.
	Calibrate, Audit []Source
	// Traffic also tries calibrations that price the bytes a network moves (see
	// lut.Traffic). For tables that predict exported models; a search prices without.
	Traffic bool
	// Model also fits a model of the device, which prices kernels that were not measured. It
	// is of latency or energy.
	Model bool
	// Prior is a table of another device whose model this one's starts from; nil for none.
	Prior *lut.Table
	// Level brings all campaigns to the speed of the earliest before anything else: for
	// hosts whose speed changes from campaign to campaign.
	Level bool
	// CrossAudit audits a table with a model by the networks that calibrate it, each priced by
	// a model and a calibration that have not seen its family: where there are none to spare.
	CrossAudit bool
	// Judge names calibrating networks that audit instead: the table never sees them.
	Judge []string
}

// Defaults are isotonic latency, η at δ = 0.05 and β = 0.05, bands
// of ±5 %.
var Defaults = Options{Metric: lut.Latency, Policy: lut.PolicyIsotonic, Delta: 0.05, Beta: 0.05, Tau: 0.05}

func (o *Options) defaults() {
	d := Defaults
	if o.Metric == "" {
		o.Metric = d.Metric
	}
	if o.Policy == "" {
		o.Policy = d.Policy
	}
	if o.Delta == 0 {
		o.Delta = d.Delta
	}
	if o.Beta == 0 {
		o.Beta = d.Beta
	}
	if o.Tau == 0 {
		o.Tau = d.Tau
	}
}

// Validate lists every option that makes no sense.
func (o *Options) Validate() error {
	var errs []error
	if _, ok := lut.Units[o.Metric]; !ok {
		errs = append(errs, fmt.Errorf("metric %q is not latency, energy or memory", o.Metric))
	}
	if !slices.Contains(lut.Policies, o.Policy) {
		errs = append(errs, fmt.Errorf("policy %q is not one of %s", o.Policy, list(lut.Policies)))
	}
	for name, v := range map[string]float64{"delta": o.Delta, "beta": o.Beta, "tau": o.Tau} {
		if !(v > 0 && v < 1) {
			errs = append(errs, fmt.Errorf("%s is %v, want a fraction between 0 and 1", name, v))
		}
	}
	if o.Model && o.Metric == lut.Memory {
		errs = append(errs, errors.New("a model is of latency or energy: memory does not add up over kernels"))
	}
	for _, code := range o.Accept {
		switch {
		case record.Failure(code) || code == "":
			errs = append(errs, fmt.Errorf("accept %q: such records carry no cost", code))
		case !code.Known():
			errs = append(errs, fmt.Errorf("accept %q: there is no such validity; there are %s", code, list(record.Costed())))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// list names the values of an enumeration.
func list[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// oneCampaign checks that sources are of one protocol, device and runtime: costs
// of different ones must not meet in a table.
func oneCampaign(sources []Source) error {
	for _, s := range sources[1:] {
		a, b := sources[0].Header, s.Header
		if a.Runtime.SameFeatures(b.Runtime) {
			a.Runtime.Features = b.Runtime.Features
		}
		for _, d := range []struct{ what, a, b, cure string }{
			{"devices", a.Device.ID, b.Device.ID, "compile one table per device"},
			{"core sets", a.Device.Cores, b.Device.Cores, "compile one table per core set"},
			{"protocols", a.Protocol.SHA256, b.Protocol.SHA256, "measure both under one protocol.yaml"},
			{"backends", a.Runtime.Backend, b.Runtime.Backend, "compile one table per runtime"},
			{"runtime libraries", a.Runtime.Version + " " + a.Runtime.SHA256, b.Runtime.Version + " " + b.Runtime.SHA256, "measure both with one library"},
			{"providers", a.Runtime.Provider, b.Runtime.Provider, "compile one table per provider"},
			{"provider options", a.Runtime.Options, b.Runtime.Options, "compile one table per set of options"},
			{"library features", stated(a.Runtime.Features), stated(b.Runtime.Features), "the library runs other kernels with them: compile one table per set of features, or measure both with the same (for TensorFlow: TF_ENABLE_ONEDNN_OPTS, ONEDNN_MAX_CPU_ISA)"},
			{"numbers of threads", fmt.Sprint(a.Runtime.Threads), fmt.Sprint(b.Runtime.Threads), "compile one table per number of threads"},
		} {
			if d.a != d.b {
				return hint.Wrap(fmt.Errorf("%s and %s are of different %s: %s and %s",
					sources[0].Name, s.Name, d.what, short(d.a), short(d.b)), "%s", d.cure)
			}
		}
	}
	return nil
}

// stated is a feature list in an error.
func stated(features string) string { return cmp.Or(features, "none stated") }

// short is a value in an error: of a SHA-256 the beginning, which tells it from others; of
// what else there is the whole.
func short(s string) string {
	return sha256Text.ReplaceAllStringFunc(s, func(hash string) string { return hash[:37] + "…" })
}

var sha256Text = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// value takes the metric's estimate out of a record: its value, 95 % interval and
// the number of samples. ok is false when the record does not carry the metric.
func value(r *record.Record, metric lut.Metric) (v, lo, hi float64, n int, ok bool) {
	switch metric {
	case lut.Latency:
		if r.EstimateUS == nil {
			return 0, 0, 0, 0, false
		}
		v, n = *r.EstimateUS, r.N
		lo, hi = v, v
		if ci := r.CI95US; ci != nil {
			lo, hi = min(ci[0], v), max(ci[1], v)
		}
	case lut.Energy:
		if r.Energy == nil {
			return 0, 0, 0, 0, false
		}
		v, n = r.Energy.NetMJ, max(1, r.N)
		lo, hi = v-1.96*r.Energy.StdErrMJ, v+1.96*r.Energy.StdErrMJ
	case lut.Memory:
		if r.Memory == nil {
			return 0, 0, 0, 0, false
		}
		// The allocator's peak where the runtime has one, else the bound by liveness
		// over the schedule. A runtime without statistics says 0.
		m := r.Memory.PeakActBytes
		if m == nil || *m == 0 {
			m = r.Memory.LivenessBytes
		}
		if m == nil || *m == 0 {
			return 0, 0, 0, 0, false
		}
		v, n = float64(*m), max(1, r.N)
		lo, hi = v, v
	}
	return v, lo, hi, n, true
}

// multiset hashes records whatever their order: the sum modulo 2²⁵⁶ of their
// SHA-256 (Bellare and Micciancio, Eurocrypt 1997), hashed once more with their
// number.
type multiset struct {
	sum [4]uint64
	n   int
}

func (m *multiset) add(h [sha256.Size]byte) {
	var carry uint64
	for i := range m.sum {
		m.sum[i], carry = bits.Add64(m.sum[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
	m.n++
}

func (m *multiset) input(kind string) lut.Input {
	var b []byte
	for _, w := range m.sum {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	h := sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(m.n)))
	return lut.Input{Kind: kind, SHA256: hex.EncodeToString(h[:]), Records: m.n}
}

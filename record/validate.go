package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/hint"
)

var codes = []Validity{OK, Fallback, Throttled, Drift, Noisy, Preempted, LowBattery, ThermalTimeout,
	NumericMismatch, Timeout, Unsupported, EmulatedCPU}

// Failure reports whether a validity code rules out a cost: the case did not
// run, or what ran was not what was asked for.
func Failure(code Validity) bool {
	switch code {
	case Fallback, NumericMismatch, Timeout, Unsupported:
		return true
	}
	return strings.HasPrefix(string(code), CrashedPrefix)
}

// IsOK reports whether the record may enter a table.
func (r *Record) IsOK() bool { return len(r.Validity) == 1 && r.Validity[0] == OK }

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}

// Validate checks everything about a header that it can know by itself.
func (h *Header) Validate() error {
	if h.Format != Format && h.Format != FormatV1 {
		err := fmt.Errorf("format is %.60q, not %q", h.Format, Format)
		if strings.HasPrefix(h.Format, "isocost/") {
			return hint.Wrap(err, "this is another kind or version of file; record files are written by agent bench")
		}
		return hint.Wrap(err, "give a record file as agent bench writes it")
	}
	if !isHash(h.Plan) {
		return fmt.Errorf("plan: %.80q is not a SHA-256", h.Plan)
	}
	sum := sha256.Sum256([]byte(h.Protocol.YAML))
	if hex.EncodeToString(sum[:]) != h.Protocol.SHA256 {
		return fmt.Errorf("protocol: its text does not have the hash %.80q", h.Protocol.SHA256)
	}
	for _, f := range []struct{ name, v string }{
		{"device.id", h.Device.ID}, {"runtime.backend", h.Runtime.Backend}, {"runtime.provider", h.Runtime.Provider},
		{"started", h.Started}, {"agent", h.Agent},
	} {
		if f.v == "" {
			return fmt.Errorf("%s is empty", f.name)
		}
	}
	if err := h.Device.Caches.Validate(); err != nil {
		return fmt.Errorf("device: %w", err)
	}
	if h.Runtime.Threads < 1 {
		return fmt.Errorf("runtime.threads is %d", h.Runtime.Threads)
	}
	return nil
}

// Validate checks a line.
func (l *Line) Validate() error {
	n := 0
	for _, set := range []bool{l.Group != nil, l.Start != nil, l.Open != nil, l.Visit != nil, l.Round != nil,
		l.Fault != nil, l.Check != nil, l.Record != nil, l.End != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return fmt.Errorf("a line holds exactly one of group, start, open, visit, round, fault, check, record, end; this one holds %d", n)
	case l.Visit != nil:
		return l.Visit.validate()
	case l.Record != nil:
		return l.Record.Validate()
	case l.Open != nil:
		o := l.Open
		if o.Model == "" || o.Repeat < 1 || !nonNegative(o.LoadUS, o.FirstUS, o.RunUS, o.TookS) || o.WarmRuns < 0 {
			return errors.New("open: model, repeat ≥ 1 and times ≥ 0 are needed")
		}
	case l.Fault != nil:
		if l.Fault.Model == "" || !Failure(l.Fault.Validity) {
			return fmt.Errorf("fault: %.60q is not a failure of a model", l.Fault.Validity)
		}
	case l.Group != nil:
		if g := l.Group; g.Index < 0 || len(g.Models) == 0 || !nonNegative(g.AtS, g.OpenS, g.RoundS) {
			return errors.New("group: an index ≥ 0, models and times ≥ 0 are needed")
		}
	case l.Start != nil:
		if l.Start.What == "" || l.Start.Group < 0 || l.Start.Round < 0 {
			return errors.New("start: what, group ≥ 0 and round ≥ 0 are needed")
		}
	case l.Round != nil:
		if l.Round.Group < 0 || l.Round.Index < 0 || !nonNegative(l.Round.DeviceS, l.Round.ReferenceRatio) {
			return errors.New("round: negative figure")
		}
	case l.Check != nil:
		if l.Check.Model == "" {
			return errors.New("check: no model")
		}
	case l.End != nil:
		e := l.End
		if e.Cases < 0 || e.Failed < 0 || e.Flagged < 0 || e.Visits < 0 || !nonNegative(e.DeviceS) {
			return errors.New("end: negative figure")
		}
	}
	return nil
}

func (v *Visit) validate() error {
	if v.Model == "" || v.Group < 0 || v.Round < 0 || v.Seq < 0 || !nonNegative(v.AtS) || len(v.US) == 0 {
		return errors.New("visit: model, samples and figures ≥ 0 are needed")
	}
	for _, us := range v.US {
		if !(us > 0) || math.IsInf(us, 0) {
			return fmt.Errorf("visit: a sample of %v µs", us)
		}
	}
	last := -1
	for _, i := range v.Preempted {
		if i <= last || i >= len(v.US) {
			return fmt.Errorf("visit: preempted index %d of %d samples", i, len(v.US))
		}
		last = i
	}
	return nil
}

func nonNegative(x ...float64) bool {
	for _, v := range x {
		if !(v >= 0) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

func finite(p *float64) bool { return p == nil || !math.IsNaN(*p) && !math.IsInf(*p, 0) }

// Validate checks a record: the validity codes are known, a failure carries no
// cost, a cost carries its evidence, and only a positive cost is ok.
func (r *Record) Validate() error {
	if r.Case == "" {
		return errors.New("record: no case")
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("record of case %.80s: "+format, append([]any{r.Case}, args...)...)
	}
	if !slices.Contains(role.Roles, r.Kind) {
		return bad("unknown kind %.40q", r.Kind)
	}
	if r.Kind == role.Cell && r.Key == nil {
		return bad("a cell needs a key")
	}
	if len(r.Validity) == 0 {
		return bad("no validity; a good record says %q", OK)
	}
	failed := Validity("")
	for i, c := range r.Validity {
		crash := strings.HasPrefix(string(c), CrashedPrefix) && len(c) > len(CrashedPrefix)
		switch {
		case !crash && !slices.Contains(codes, c):
			return bad("unknown validity %.40q", c)
		case c == OK && len(r.Validity) > 1:
			return bad("%q with other codes", OK)
		case slices.Contains(r.Validity[:i], c):
			return bad("validity %q twice", c)
		case Failure(c):
			failed = c
		}
	}
	if !utf8.ValidString(r.Detail) {
		return bad("detail is not UTF-8")
	}
	for _, p := range []*float64{r.EstimateUS, r.MedianUS, r.MADUS, r.WithinUS, r.BetweenUS, r.ReferenceRatio, r.IsolatedUS, r.SecondContextUS} {
		if !finite(p) {
			return bad("a figure is not finite")
		}
	}
	if r.N < 0 || r.Rounds < 0 {
		return bad("negative count")
	}
	if !nonNegative(r.GroupRatio) {
		return bad("a ratio of groups of %v", r.GroupRatio)
	}
	if !nonNegative(r.Context) {
		return bad("a spread between contexts of %v", r.Context)
	}
	if r.EstimateUS == nil {
		if r.IsOK() {
			return bad("ok without an estimate")
		}
		if r.CI95US != nil || r.MedianUS != nil || r.IsolatedUS != nil || r.SecondContextUS != nil || r.Context != 0 {
			return bad("an interval, a median or a cost of another context without an estimate")
		}
		return nil
	}
	est := *r.EstimateUS
	switch {
	case failed != "":
		return bad("a cost with %q; a failure is a record without a cost", failed)
	case est <= 0 && r.IsOK():
		return bad("cost %v µs is not positive and yet ok", est)
	case r.CI95US == nil:
		return bad("a cost without its interval")
	case !(r.CI95US[0] <= est && est <= r.CI95US[1]):
		return bad("the interval [%v, %v] does not hold the cost %v", r.CI95US[0], r.CI95US[1], est)
	case r.N < 1 || len(r.Terms) == 0:
		return bad("a cost without samples")
	}
	for _, p := range []*float64{r.MADUS, r.WithinUS, r.BetweenUS} {
		if p != nil && *p < 0 {
			return bad("negative spread")
		}
	}
	for _, t := range r.Terms {
		if t.Model == "" || !(t.EstimateUS > 0) || t.N < 1 || t.Preempted < 0 || t.Outliers < 0 || !finite(&t.Coef) ||
			!(t.CI95US[0] <= t.EstimateUS && t.EstimateUS <= t.CI95US[1]) {
			return bad("term %.80q: cost, interval or count is wrong", t.Model)
		}
	}
	if e := r.Energy; e != nil {
		if !nonNegative(e.StdErrMJ, e.WindowS) || !finite(&e.GrossMJ) || !finite(&e.IdleMJ) || !finite(&e.NetMJ) || e.Source == "" {
			return bad("energy: not finite, an error or a window below zero, or without its source")
		}
		if len(r.Terms) == 1 && r.Terms[0].Coef == 1 && !nonNegative(e.GrossMJ, e.IdleMJ) {
			return bad("energy: a model's own is negative")
		}
	}
	if m := r.Memory; m != nil {
		for _, p := range []*int64{m.WeightsBytes, m.PeakActBytes, m.LivenessBytes, m.PeakRSSBytes} {
			if p != nil && *p < 0 {
				return bad("memory: negative")
			}
		}
	}
	return nil
}

package report

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/record"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
)

// campaign shows how the device behaved while it was measured: the ratio of the drift
// reference, temperature and clocks over device time.
func campaign(files []*record.File) page.Section {
	s := page.Section{Title: "The campaign", Lead: "A drift reference is measured in every round: where it moves, the device changed, not the network. Throttled rounds are left out of every estimate."}
	drift := plot.Chart{Title: "Drift reference, relative to its first round", X: plot.Axis{Label: "device time", Unit: "s"}, Y: plot.Axis{Label: "ratio"}, HLines: []float64{1}}
	heat := plot.Chart{Title: "Hottest zone", X: plot.Axis{Label: "device time", Unit: "s"}, Y: plot.Axis{Label: "temperature", Unit: "°C"}}
	clock := plot.Chart{Title: "Clocks", X: plot.Axis{Label: "device time", Unit: "s"}, Y: plot.Axis{Label: "clock", Unit: "MHz", FromZero: true}}
	for i, f := range files {
		ratio := plot.Series{Name: fileName(f, files), Kind: plot.Line, Colour: i}
		void := plot.Series{Name: "void round", Colour: 1}
		temp := plot.Series{Name: fileName(f, files), Kind: plot.Line, Colour: i}
		var mhz []plot.Series
		for _, e := range f.Journal {
			r := e.Round
			if r == nil {
				continue
			}
			if r.ReferenceRatio > 0 {
				p := plot.Point{X: r.DeviceS, Y: r.ReferenceRatio, Label: fmt.Sprintf("round %d of group %d", r.Index, r.Group)}
				ratio.Points = append(ratio.Points, p)
				if r.Void != "" {
					p.Label, p.Strong = p.Label+": "+string(r.Void), true
					void.Points = append(void.Points, p)
				}
			}
			if r.State == nil {
				continue
			}
			if c := r.State.Celsius; c != nil {
				temp.Points = append(temp.Points, plot.Point{X: r.DeviceS, Y: *c})
			}
			for j, m := range r.State.MHz {
				if j == len(mhz) {
					mhz = append(mhz, plot.Series{Name: fmt.Sprintf("%s policy %d", fileName(f, files), j), Kind: plot.Line, Colour: i + j})
				}
				mhz[j].Points = append(mhz[j].Points, plot.Point{X: r.DeviceS, Y: m})
			}
		}
		add(&drift, ratio, void)
		add(&heat, temp)
		add(&clock, mhz...)
	}
	var shown page.Figures
	for _, c := range []plot.Chart{drift, heat, clock} {
		if len(c.Series) > 0 {
			shown = append(shown, c)
		}
	}
	if len(shown) > 0 {
		s.Blocks = append(s.Blocks, shown)
	}
	if len(heat.Series) == 0 {
		s.Blocks = append(s.Blocks, page.Text("No temperature sensor answered on this device; agent device says why."))
	}
	t := page.Table{Columns: []page.Column{{Name: "records"}, {Name: "started"}, {Name: "agent"}, {Name: "device time (s)", Numeric: true}, {Name: "cases", Numeric: true}, {Name: "failed", Numeric: true}, {Name: "finished"}}}
	for _, f := range files {
		var seconds, failed float64
		finished := page.Cell{Text: "no: run the same agent bench again", Mark: "warn"}
		if f.End != nil {
			seconds, failed, finished = f.End.DeviceS, float64(f.End.Failed), page.Cell{Text: "yes", Mark: "good"}
		}
		t.Rows = append(t.Rows, []page.Cell{page.Str(f.Path), page.Str(f.Header.Started), page.Str(f.Header.Agent), page.Num(seconds, ""), page.Num(float64(len(f.Records)), ""), page.Num(failed, ""), finished})
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// add keeps series that have something to show.
func add(c *plot.Chart, series ...plot.Series) {
	for _, s := range series {
		if len(s.Points) > 0 {
			c.Series = append(c.Series, s)
		}
	}
}

// fileName names a campaign in a legend, only where there are several.
func fileName(f *record.File, all []*record.File) string {
	if len(all) == 1 {
		return "drift reference and state"
	}
	return f.Path
}

// advice says what to do about a validity code.
var advice = map[record.Validity]string{
	record.OK:              "nothing to do",
	record.Fallback:        "part of the model ran elsewhere: choose a provider that supports it, or leave the case out",
	record.Throttled:       "clocks were capped: cool the device, lower the load, or lock the clocks (agent bench --clocks)",
	record.Drift:           "the device changed while it was measured: close other programs, measure again",
	record.Noisy:           "the interval stayed wide: more rounds (protocol caps), fewer other programs, or the min estimator on a shared host",
	record.Preempted:       "other programs took the core: stop them or choose another core set (--cores)",
	record.LowBattery:      "charge the device, then run the same command again",
	record.ThermalTimeout:  "the device did not cool down in time: better cooling, or a higher gate in protocol.yaml",
	record.NumericMismatch: "the result differs from CPU fp32: do not use this provider for this operator, report it to its maker",
	record.Timeout:         "the run did not return: raise the timeout in protocol.yaml, or leave the case out",
	record.Unsupported:     "the runtime rejects the model; detail says why",
	record.EmulatedCPU:     "an emulator ran the code: the numbers are for testing only, never for a table that is used",
}

// validity counts the codes and says what each asks for.
func validity(files []*record.File) page.Section {
	counts := map[record.Validity]int{}
	example := map[record.Validity]string{}
	total := 0
	for _, f := range files {
		for _, e := range f.Records {
			total++
			for _, code := range e.Record.Validity {
				counts[code]++
				if example[code] == "" {
					example[code] = e.Record.Detail
				}
			}
		}
	}
	codes := make([]record.Validity, 0, len(counts))
	for c := range counts {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	t := page.Table{Columns: []page.Column{{Name: "code"}, {Name: "records", Numeric: true}, {Name: "share", Numeric: true}, {Name: "what to do"}, {Name: "example"}}}
	for _, c := range codes {
		what, mark := advice[c], "warn"
		if c == record.OK {
			mark = "good"
		}
		if what == "" {
			what = "the measuring child crashed on it: the driver's fault; leave the case out or update the driver"
		}
		t.Rows = append(t.Rows, []page.Cell{{Text: string(c), Mark: mark}, page.Num(float64(counts[c]), ""), pct(float64(counts[c]) / float64(total)), page.Str(what), page.Str(example[c])})
	}
	return page.Section{Title: "Validity", Lead: "A record with any code but ok never enters a table.", Blocks: []page.Block{t}}
}

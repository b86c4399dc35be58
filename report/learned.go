package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
)

// Learned holds what a report shows of a table's model of the device beside the table.
type Learned struct {
	Stages []Stage  // of the build that made it, first to last; nil where it is not known
	Census []Kernel // of the networks that the table is to price
}

// Stage is a build after one of its campaigns.
type Stage struct {
	Seconds         float64 // of device time so far
	Kernels, Chains int     // measured so far
	// Error is the standard deviation expected of a network of the census, relative, the
	// median over those that have a price: the share Priced.
	Error, Priced float64
}

// Kernel is a kernel of a census with its share of the networks' time, as the census estimates it.
type Kernel struct {
	Op    lut.Op
	Share float64
}

// Limits of the section.
const (
	maxSlices   = 6
	maxPerKind  = 2
	slicePoints = 64 // of one
	maxWorst    = 12
)

// learned shows what the model knows, and where it does not.
func learned(f *lut.File, l Learned) (page.Section, error) {
	s := page.Section{Title: "The model of the device", Lead: "Costs of kernels that were not measured, learned from those that were. Intervals are 95 %."}
	m, err := devicemodel.FromData(f.Model)
	if err != nil {
		return s, err
	}
	facts := page.Facts{{Term: "learned from", Value: fmt.Sprintf("%s and %s of kernels", plural(len(f.Model.Kernels), "kernel"), plural(f.Model.Sums, "sum"))}}
	if n := f.Model.Networks; n > 0 {
		facts = append(facts, page.Fact{Term: "networks of families left out", Value: fmt.Sprintf("%d of %d families, RMSPE %s", n, f.Model.Families, percent(f.Model.RMSPE))},
			page.Fact{Term: "intervals", Value: fmt.Sprintf("%.2g times the model's own and %s more, so that those networks lie inside", f.Model.Widen, percent(f.Model.Context))})
	} else {
		facts = append(facts, page.Fact{Term: "intervals", Value: "the model's own: not yet tested on networks of several families"})
	}
	known := assess(m, l.Census)
	if len(known) > 0 {
		facts = append(facts, page.Fact{Term: "the census's time rests on", Value: basis(known)})
	}
	s.Blocks = append(s.Blocks, facts)
	var charts page.Figures
	if len(l.Stages) > 0 {
		charts = append(charts, learningCurve(l.Stages))
	}
	if c, ok := errorByKind(f, m); ok {
		charts = append(charts, c)
	}
	if len(charts) > 0 {
		s.Blocks = append(s.Blocks, charts)
	}
	if len(known) > 0 {
		s.Blocks = append(s.Blocks, censusMap(f, known), byKind(known), worstKnown(f, known))
	}
	if cut := slicesOf(f, m); len(cut) > 0 {
		s.Blocks = append(s.Blocks, page.Text("Slices of the model: one number of a kernel varies, the others stay. The line is the model's price, the band its interval; points are measured cells with theirs."), cut)
	}
	return s, nil
}

// learningCurve is the error expected over the device time spent.
func learningCurve(stages []Stage) plot.Chart {
	c := plot.Chart{Title: "Learning curve: error expected of a network", X: plot.Axis{Label: "device time", Unit: "min", FromZero: true}, Y: plot.Axis{Label: "standard deviation, median over the census", Unit: "%", Log: true},
		Caption: "After each campaign, as the model itself states it. The audit has the measured networks."}
	line, marks := plot.Series{Name: "expected", Kind: plot.Line, Quiet: true}, plot.Series{Name: "after a campaign"}
	for _, st := range stages {
		if math.IsNaN(st.Error) || !(st.Error > 0) {
			continue
		}
		p := plot.Point{X: st.Seconds / 60, Y: 100 * st.Error, Label: fmt.Sprintf("%d kernels, %d chains; %s of the census priced", st.Kernels, st.Chains, percent(st.Priced))}
		line.Points, marks.Points = append(line.Points, p), append(marks.Points, p)
	}
	add(&c, line, marks)
	return c
}

// errorByKind says how far measured cells lie from what their kind tells of them: from the price
// that the model gives without their own measurement.
func errorByKind(f *lut.File, m *devicemodel.Model) (plot.Chart, bool) {
	unseen := *f.Model
	unseen.Kernels = nil
	kinds, err := devicemodel.FromData(&unseen)
	if err != nil {
		return plot.Chart{}, false
	}
	off := map[string][]float64{}
	for _, fam := range f.Families {
		for _, k := range fam.Knots {
			e := kinds.Price([]devicemodel.Term{{Op: fam.Member(k.At), Count: 1}})
			if e.Missing == 0 && e.Value > 0 && k.Raw > 0 && k.Reason != lut.Censored {
				off[fam.Op.Kind] = append(off[fam.Op.Kind], math.Abs(k.Raw/e.Value-1))
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(off), func(a, b string) int { return cmp.Or(cmp.Compare(len(off[b]), len(off[a])), cmp.Compare(a, b)) })
	median := plot.Series{Name: "median", Kind: plot.Bars}
	tail := plot.Series{Name: "nine of ten are within", Colour: 1}
	for i, kind := range names {
		label := fmt.Sprintf("%s, %s", kind, plural(len(off[kind]), "cell"))
		median.Points = append(median.Points, plot.Point{X: float64(i), Y: 100 * stats.Median(off[kind]), Label: label})
		tail.Points = append(tail.Points, plot.Point{X: float64(i), Y: 100 * stats.Quantile(off[kind], 0.9), Label: label})
	}
	return plot.Chart{Title: "Error by kind of kernel", X: plot.Axis{Label: "kind", Categories: names}, Y: plot.Axis{Label: "measured / predicted by its kind − 1", Unit: "%", FromZero: true},
		Series:  []plot.Series{median, tail},
		Caption: "Each cell against its price without its own measurement. The model did learn from that cell: expect larger errors for unseen kernels."}, len(names) > 0
}

// assessed is a census kernel as the model knows it.
type assessed struct {
	Kernel
	status       devicemodel.Status
	value        float64
	half         float64 // of the interval, relative
	doubtOfTotal float64 // share times half
}

func assess(m *devicemodel.Model, census []Kernel) []assessed {
	out := make([]assessed, len(census))
	for i, k := range census {
		e := m.Price([]devicemodel.Term{{Op: k.Op, Count: 1}})
		a := assessed{Kernel: k, status: e.Parts[0].Status, value: e.Value}
		if e.Missing == 0 && e.Value > 0 {
			a.half = (e.Hi - e.Lo) / 2 / e.Value
			a.doubtOfTotal = a.half * k.Share
		} else {
			a.doubtOfTotal = k.Share // nothing is known of it
		}
		out[i] = a
	}
	return out
}

// statuses are those of kernels with their colours, best first.
var statuses = []struct {
	status devicemodel.Status
	colour int
}{{devicemodel.Measured, 2}, {devicemodel.Interpolated, 0}, {devicemodel.Extrapolated, 1}, {devicemodel.Missing, 3}}

// shares sums the kernels' shares of time by status, of 1.
func shares(known []assessed) map[devicemodel.Status]float64 {
	of, total := map[devicemodel.Status]float64{}, 0.0
	for _, a := range known {
		of[a.status] += a.Share
		total += a.Share
	}
	for s := range of {
		of[s] /= total
	}
	return of
}

func basis(known []assessed) string {
	of, text := shares(known), ""
	for _, s := range statuses {
		if of[s.status] > 0 {
			text += fmt.Sprintf(", %s %.0f %%", s.status, 100*of[s.status])
		}
	}
	return text[min(2, len(text)):]
}

// censusMap places every census kernel by its cost and by how well that is known.
func censusMap(f *lut.File, known []assessed) page.Block {
	c := plot.Chart{Title: "How well each kernel of the census is known", Width: 980, Height: 420,
		X: plot.Axis{Label: "predicted cost", Unit: unitSign[f.Unit], Log: true}, Y: plot.Axis{Label: "half-width of the interval", Unit: "%", Log: true},
		Caption: "Every kernel of the census; the higher, the less certain. Ringed: the largest uncertainty times share of the networks' time."}
	heavy := map[string]bool{}
	for _, a := range worst(known) {
		heavy[a.Op.String()] = true
	}
	for _, st := range statuses {
		s := plot.Series{Name: string(st.status), Colour: st.colour}
		for _, a := range known {
			if a.status == st.status && a.half > 0 {
				key := a.Op.String()
				p := plot.Point{X: round3(a.value), Y: round3(100 * a.half), Strong: heavy[key]}
				if heavy[key] { // a name each would make the page three times as large
					p.Label = key
				} else {
					p.Label = a.Op.Kind
				}
				s.Points = append(s.Points, p)
			}
		}
		add(&c, s)
	}
	return page.Figure{Chart: c}
}

func round3(v float64) float64 {
	scale := math.Pow(10, 2-math.Floor(math.Log10(v)))
	return math.Round(v*scale) / scale
}

// worst returns the kernels with the largest uncertainty times share of time.
func worst(known []assessed) []assessed {
	out := slices.Clone(known)
	slices.SortStableFunc(out, func(a, b assessed) int { return cmp.Compare(b.doubtOfTotal, a.doubtOfTotal) })
	return out[:min(maxWorst, len(out))]
}

func byKind(known []assessed) page.Block {
	kinds := map[string][]assessed{}
	for _, a := range known {
		kinds[a.Op.Kind] = append(kinds[a.Op.Kind], a)
	}
	t := page.Table{Caption: "The census by kind of kernel", Columns: []page.Column{{Name: "kind"}, {Name: "kernels", Numeric: true}, {Name: "share of time", Numeric: true},
		{Name: "measured", Numeric: true}, {Name: "interpolated", Numeric: true}, {Name: "extrapolated", Numeric: true}, {Name: "missing", Numeric: true}, {Name: "median ±", Numeric: true}}}
	total := 0.0
	for _, a := range known {
		total += a.Share
	}
	share := map[string]float64{}
	for kind, list := range kinds {
		for _, a := range list {
			share[kind] += a.Share / total
		}
	}
	for _, kind := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return cmp.Or(cmp.Compare(share[b], share[a]), cmp.Compare(a, b)) }) {
		list := kinds[kind]
		of := shares(list)
		var half []float64
		for _, a := range list {
			if a.half > 0 {
				half = append(half, a.half)
			}
		}
		row := []page.Cell{page.Str(kind), page.Num(float64(len(list)), ""), pct(math.Round(1000*share[kind]) / 1000)}
		for _, st := range statuses {
			cell := pct(math.Round(100*of[st.status]) / 100)
			if of[st.status] > 0.5 {
				cell.Mark = map[devicemodel.Status]string{devicemodel.Measured: "good", devicemodel.Extrapolated: "warn", devicemodel.Missing: "bad"}[st.status]
			}
			row = append(row, cell)
		}
		mid := page.Cell{Text: "–", Value: -1}
		if len(half) > 0 {
			mid = pct(stats.Median(half))
		}
		t.Rows = append(t.Rows, append(row, mid))
	}
	return t
}

func worstKnown(f *lut.File, known []assessed) page.Block {
	t := page.Table{Caption: "The largest uncertainty times share of time: measure these next (costgen next, costgen predict --emit-plan --minutes)",
		Columns: []page.Column{{Name: "kernel"}, {Name: "rests on"}, {Name: "cost (" + unitSign[f.Unit] + ")", Numeric: true}, {Name: "±", Numeric: true}, {Name: "share of time", Numeric: true}}}
	total := 0.0
	for _, a := range known {
		total += a.Share
	}
	for _, a := range worst(known) {
		cost, half := page.Cell{Text: "–", Value: -1}, page.Cell{Text: "–", Value: -1}
		if a.half > 0 {
			cost, half = lean(a.value), pct(a.half)
		}
		t.Rows = append(t.Rows, []page.Cell{page.Str(a.Op.String()), page.Str(string(a.status)), cost, half, pct(math.Round(1e4*a.Share/total) / 1e4)})
	}
	return t
}

// slicesOf cuts the model along the lines that hold most cells.
func slicesOf(f *lut.File, m *devicemodel.Model) page.Figures {
	type cut struct {
		fam  lut.Family
		axis int
		line line
	}
	var cuts []cut
	for _, fam := range f.Families {
		best := cut{}
		for _, name := range channelAxes {
			if i := slices.Index(fam.Axes, name); i >= 0 {
				if l := along(fam, i)[0]; len(l.knots) > len(best.line.knots) {
					best = cut{fam, i, l}
				}
			}
		}
		if len(best.line.knots) > 0 {
			cuts = append(cuts, best)
		}
	}
	slices.SortStableFunc(cuts, func(a, b cut) int {
		return cmp.Or(cmp.Compare(len(b.line.knots), len(a.line.knots)), cmp.Compare(len(b.fam.Knots), len(a.fam.Knots)), cmp.Compare(a.fam.Name(), b.fam.Name()))
	})
	var out page.Figures
	per := map[string]int{}
	for _, c := range cuts {
		if len(out) == maxSlices {
			break
		}
		if per[c.fam.Op.Kind]++; per[c.fam.Op.Kind] <= maxPerKind {
			out = append(out, sliceOf(f, m, c.fam, c.axis, c.line))
		}
	}
	return out
}

func sliceOf(f *lut.File, m *devicemodel.Model, fam lut.Family, axis int, l line) plot.Chart {
	unit := unitSign[f.Unit]
	c := plot.Chart{Title: fam.Name() + " at " + l.at, X: plot.Axis{Label: fam.Axes[axis]}, Y: plot.Axis{Label: string(f.Metric), Unit: unit}}
	lo, hi := l.knots[0].At[axis], l.knots[len(l.knots)-1].At[axis]
	lo, hi = max(1, lo/2), hi+max(8, hi/2)
	band := plot.Band{Name: "95 % interval"}
	price := plot.Series{Name: "model", Kind: plot.Line}
	at := slices.Clone(l.knots[0].At)
	last := 0
	for i := range slicePoints {
		v := lo + i*(hi-lo)/(slicePoints-1)
		if v > 8 {
			v = v / 4 * 4 // channels that networks have; between them the blocks' tails would be all there is to see
		}
		if v == last {
			continue
		}
		last, at[axis] = v, v
		e := m.Price([]devicemodel.Term{{Op: fam.Member(slices.Clone(at)), Count: 1}})
		if e.Missing > 0 {
			continue
		}
		price.Points = append(price.Points, plot.Point{X: float64(v), Y: e.Value})
		band.X, band.Lo, band.Hi = append(band.X, float64(v)), append(band.Lo, e.Lo), append(band.Hi, e.Hi)
	}
	cells := plot.Series{Name: "measured", Colour: 1}
	for _, k := range l.knots {
		cells.Points = append(cells.Points, plot.Point{X: float64(k.At[axis]), Y: k.Raw, Lo: k.Lo, Hi: k.Hi})
	}
	if len(band.X) > 1 {
		c.Bands = []plot.Band{band}
	}
	add(&c, price, cells)
	return c
}

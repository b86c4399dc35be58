package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// benchResult is one case for programs.
type benchResult struct {
	Case           string            `json:"case"`
	Kind           role.Role         `json:"kind"`
	Name           string            `json:"name,omitempty"`
	EstimateUS     *float64          `json:"estimate_us,omitempty"`
	MedianUS       *float64          `json:"median_us,omitempty"`
	MADUS          *float64          `json:"mad_us,omitempty"`
	CI95US         *record.Interval  `json:"ci95_us,omitempty"`
	N              int               `json:"n"`
	Rounds         int               `json:"rounds"`
	Stop           record.Stop       `json:"stop"`
	Validity       []record.Validity `json:"validity"`
	Detail         string            `json:"detail,omitempty"`
	LoadUS         float64           `json:"load_us,omitempty"`
	FirstRunUS     float64           `json:"first_run_us,omitempty"`
	ReferenceRatio *float64          `json:"anchor_ratio,omitempty"`
	Memory         *record.Memory    `json:"memory,omitempty"`
	Energy         *record.Energy    `json:"energy,omitempty"`
}

type benchReport struct {
	Backend   string          `json:"backend"`
	Version   string          `json:"version"`
	Provider  string          `json:"provider"`
	Device    lut.Device      `json:"device"`
	Protocol  string          `json:"protocol_sha256"`
	Estimator agent.Estimator `json:"estimator"`
	End       record.End      `json:"end"`
	Results   []*benchResult  `json:"results"`
}

// results pairs the records with what opening the models told.
func results(plan *benchmarks.Plan, out *campaign.Outcome) []*benchResult {
	terms := map[string][]benchmarks.Term{}
	for _, c := range plan.Cases {
		terms[c.ID] = c.Terms
	}
	var list []*benchResult
	for _, r := range out.Records {
		b := &benchResult{Case: r.Case, Kind: r.Kind, Name: r.Name, EstimateUS: r.EstimateUS, MedianUS: r.MedianUS, MADUS: r.MADUS, CI95US: r.CI95US,
			N: r.N, Rounds: r.Rounds, Stop: r.Stop, Validity: r.Validity, Detail: r.Detail, ReferenceRatio: r.ReferenceRatio, Memory: r.Memory, Energy: r.Energy}
		if t := terms[r.Case]; len(t) == 1 {
			if o := out.Opens[t[0].Model]; o != nil {
				b.LoadUS, b.FirstRunUS = o.LoadUS, o.FirstUS
			}
		}
		list = append(list, b)
	}
	return list
}

func estimatorOf(h record.Header) agent.Estimator {
	p, err := agent.ParseProtocol("protocol", []byte(h.Protocol.YAML))
	if err != nil {
		return "unknown"
	}
	return p.Estimator
}

func summaryJSON(w io.Writer, plan *benchmarks.Plan, out *campaign.Outcome) error {
	h := out.Header
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(benchReport{h.Runtime.Backend, h.Runtime.Version, h.Runtime.Provider, h.Device, h.Protocol.SHA256,
		estimatorOf(h), out.End, results(plan, out)})
}

func headline(w io.Writer, out *campaign.Outcome) {
	h := out.Header
	cores := ""
	if h.Device.Cores != "" {
		cores = ", cores " + h.Device.Cores
	}
	text := fmt.Sprintf("%s %s, %s, %s%s; %s", h.Runtime.Backend, h.Runtime.Version, h.Runtime.Provider,
		plural(h.Runtime.Threads, "thread"), cores, h.Device.Model)
	for _, l := range wrap(text, screen) {
		fmt.Fprintln(w, l)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// contextLine says how far marginal costs depend on where they are measured; "" when no
// cell was measured in two contexts.
func contextLine(records []*record.Record) string {
	twice, most := 0, 0.0
	for _, r := range records {
		if r.SecondContextUS != nil {
			twice++
		}
		most = max(most, r.Context)
	}
	if twice == 0 {
		return ""
	}
	return fmt.Sprintf("contexts: %d cells in a second context too; a block's cost varies by %.1f %% between contexts, which the intervals hold", twice, 100*most)
}

// groupLine says how models that did not fit at once were measured; "" for one group.
func groupLine(groups []campaign.Group) string {
	if len(groups) < 2 {
		return ""
	}
	fewest, most := groups[0].Rounds, 0
	for _, g := range groups {
		fewest, most = min(fewest, g.Rounds), max(most, g.Rounds)
	}
	return fmt.Sprintf("%d groups of what fits into memory at once, %d to %d rounds each, tied by the drift reference", len(groups), fewest, most)
}

// summaryPlan prints what a person wants to know after a campaign: how much was
// measured, how good it is, what failed, and where the records are (path, "" to leave
// that to the host).
func summaryPlan(w io.Writer, plan *benchmarks.Plan, out *campaign.Outcome, path string) error {
	headline(w, out)
	var codes []record.Validity
	count := map[record.Validity]int{}
	byKind := map[role.Role]int{}
	var widths []float64
	for _, r := range out.Records {
		byKind[r.Kind]++
		for _, v := range r.Validity {
			if count[v]++; !slices.Contains(codes, v) {
				codes = append(codes, v)
			}
		}
		if r.CI95US != nil && *r.EstimateUS > 0 {
			widths = append(widths, (r.CI95US[1]-r.CI95US[0])/2 / *r.EstimateUS)
		}
	}
	fmt.Fprintf(w, "%s: %d cells, %d networks, %s, %s, %.1f s of device time\n", plural(len(out.Records), "case"),
		byKind[role.Cell], byKind[role.Network], plural(len(plan.Models), "model"),
		plural(out.End.Visits, "visit"), out.End.DeviceS)
	if line := groupLine(out.Groups); line != "" {
		fmt.Fprintln(w, line)
	}
	if len(widths) > 0 {
		slices.Sort(widths)
		fmt.Fprintf(w, "intervals: median ±%.1f %%, 90th percentile ±%.1f %%\n",
			100*widths[len(widths)/2], 100*widths[len(widths)*9/10])
	}
	if line := contextLine(out.Records); line != "" {
		fmt.Fprintln(w, line)
	}
	for _, r := range out.Records {
		if r.Kind == role.Reference && r.ReferenceRatio != nil {
			fmt.Fprintf(w, "drift reference: %.3f of its start at the end\n", *r.ReferenceRatio)
		}
	}
	slices.Sort(codes)
	var parts []string
	for _, c := range codes {
		parts = append(parts, fmt.Sprintf("%d %s", count[c], c))
	}
	fmt.Fprintf(w, "validity: %s\n", strings.Join(parts, ", "))
	shown := 0
	for _, r := range out.Records {
		if r.EstimateUS == nil {
			if shown++; shown > 5 {
				fmt.Fprintf(w, "  … and %d more\n", out.End.Failed-5)
				break
			}
			fmt.Fprintf(w, "  %s: %s: %.120s\n", firstOf(r.Name, r.Case), record.Join(r.Validity, ", "), r.Detail)
		}
	}
	for _, r := range out.Records {
		if r.EstimateUS != nil && r.Detail != "" {
			for _, l := range wrap(fmt.Sprintf("warning: %s: %s", firstOf(r.Name, r.Case), r.Detail), screen) {
				fmt.Fprintln(w, l)
			}
		}
	}
	if path == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "records: %s\n", path)
	return err
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// screen is the width that summaries keep to.
const screen = 80

// summaryModels is two tables with one line per model each: what a run takes, and what
// the model takes besides.
func summaryModels(w io.Writer, plan *benchmarks.Plan, out *campaign.Outcome) error {
	headline(w, out)
	times := [][]string{{"model", string(estimatorOf(out.Header)), "95 % interval", "n", "validity"}}
	rest := [][]string{{"model", "load", "first run", "weights", "working", "process"}}
	var notes []string
	for _, r := range results(plan, out) {
		if r.Kind != role.Network {
			continue
		}
		latency, interval := "–", "–"
		if r.EstimateUS != nil {
			latency = duration(*r.EstimateUS)
			interval = fmt.Sprintf("%s … %s", duration(r.CI95US[0]), duration(r.CI95US[1]))
		}
		validity := string(r.Validity[0])
		if len(r.Validity) > 1 || r.Detail != "" {
			validity += " *"
			notes = append(notes, strings.TrimRight(fmt.Sprintf("* %s: %s: %s", r.Name, record.Join(r.Validity, ", "), r.Detail), ": "))
		}
		times = append(times, []string{r.Name, latency, interval, fmt.Sprint(r.N), validity})
		m := r.Memory
		if m == nil {
			m = &record.Memory{}
		}
		rest = append(rest, []string{r.Name, duration(r.LoadUS), duration(r.FirstRunUS),
			bytesText(m.WeightsBytes), bytesText(m.PeakActBytes), bytesText(m.PeakRSSBytes)})
	}
	table(w, times)
	fmt.Fprintln(w)
	table(w, rest)
	for _, n := range notes {
		for _, l := range wrap(n, screen) {
			fmt.Fprintln(w, l)
		}
	}
	return nil
}

// table prints rows in columns, two spaces apart, within the screen: the names in
// the first give way, in their middle.
func table(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, s := range r {
			width[i] = max(width[i], utf8.RuneCountInString(s))
		}
	}
	others := 0
	for _, n := range width[1:] {
		others += 2 + n
	}
	const leastName = 12
	width[0] = min(width[0], max(leastName, screen-others))
	for _, r := range rows {
		var b strings.Builder
		for i, s := range r {
			if i == 0 {
				s = shorten(s, width[0])
			} else {
				b.WriteString("  ")
			}
			b.WriteString(s + strings.Repeat(" ", width[i]-utf8.RuneCountInString(s)))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// shorten keeps both ends of a name.
func shorten(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	tail := (width - 1) / 2
	return string(r[:width-1-tail]) + "…" + string(r[len(r)-tail:])
}

// duration prints microseconds with four digits in the unit that suits.
func duration(us float64) string {
	switch {
	case us <= 0:
		return "–"
	case us < 1e3:
		return fmt.Sprintf("%.4g µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.4g ms", us/1e3)
	}
	return fmt.Sprintf("%.4g s", us/1e6)
}

// bytesText prints a number of bytes, "–" where it is not known.
func bytesText(p *int64) string {
	if p == nil {
		return "–"
	}
	n := *p
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.3g GiB", float64(n)/(1<<30))
}

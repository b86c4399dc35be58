package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/record"
)

// benchResult is one case for programs.
type benchResult struct {
	Case        string           `json:"case"`
	Kind        string           `json:"kind"`
	Name        string           `json:"name,omitempty"`
	EstimateUS  *float64         `json:"estimate_us,omitempty"`
	MedianUS    *float64         `json:"median_us,omitempty"`
	MADUS       *float64         `json:"mad_us,omitempty"`
	CI95US      *record.Interval `json:"ci95_us,omitempty"`
	N           int              `json:"n"`
	Rounds      int              `json:"rounds"`
	Stop        string           `json:"stop"`
	Validity    []string         `json:"validity"`
	Detail      string           `json:"detail,omitempty"`
	LoadUS      float64          `json:"load_us,omitempty"`
	FirstRunUS  float64          `json:"first_run_us,omitempty"`
	AnchorRatio *float64         `json:"anchor_ratio,omitempty"`
	Memory      *record.Memory   `json:"memory,omitempty"`
	Energy      *record.Energy   `json:"energy,omitempty"`
}

type benchReport struct {
	Backend   string         `json:"backend"`
	Version   string         `json:"version"`
	Provider  string         `json:"provider"`
	Device    record.Device  `json:"device"`
	Protocol  string         `json:"protocol_sha256"`
	Estimator string         `json:"estimator"`
	End       record.End     `json:"end"`
	Results   []*benchResult `json:"results"`
}

// results pairs the records with what opening the models told.
func results(plan *benchmarks.Plan, out *agent.Outcome) []*benchResult {
	terms := map[string][]benchmarks.Term{}
	for _, c := range plan.Cases {
		terms[c.ID] = c.Terms
	}
	var list []*benchResult
	for _, r := range out.Records {
		b := &benchResult{Case: r.Case, Kind: r.Kind, Name: r.Name, EstimateUS: r.EstimateUS, MedianUS: r.MedianUS, MADUS: r.MADUS, CI95US: r.CI95US,
			N: r.N, Rounds: r.Rounds, Stop: r.Stop, Validity: r.Validity, Detail: r.Detail, AnchorRatio: r.AnchorRatio, Memory: r.Memory, Energy: r.Energy}
		if t := terms[r.Case]; len(t) == 1 {
			if o := out.Opens[t[0].Model]; o != nil {
				b.LoadUS, b.FirstRunUS = o.LoadUS, o.FirstUS
			}
		}
		list = append(list, b)
	}
	return list
}

func estimatorOf(h record.Header) string {
	p, err := agent.ParseProtocol("protocol", []byte(h.Protocol.YAML))
	if err != nil {
		return "unknown"
	}
	return p.Estimator
}

func summaryJSON(w io.Writer, plan *benchmarks.Plan, out *agent.Outcome) error {
	h := out.Header
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(benchReport{h.Runtime.Backend, h.Runtime.Version, h.Runtime.Provider, h.Device, h.Protocol.SHA256,
		estimatorOf(h), out.End, results(plan, out)})
}

func headline(w io.Writer, out *agent.Outcome) {
	h := out.Header
	cores := ""
	if h.Device.Cores != "" {
		cores = ", cores " + h.Device.Cores
	}
	fmt.Fprintf(w, "%s %s, %s, %s%s; %s\n", h.Runtime.Backend, h.Runtime.Version, h.Runtime.Provider,
		plural(h.Runtime.Threads, "thread"), cores, h.Device.Model)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// summaryPlan is what a person wants to know after a campaign: how much was
// measured, how good it is, and what failed.
func summaryPlan(w io.Writer, plan *benchmarks.Plan, out *agent.Outcome, path string) error {
	headline(w, out)
	var codes []string
	count := map[string]int{}
	byKind := map[string]int{}
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
		byKind[benchmarks.RoleCell], byKind[benchmarks.RoleNetwork], plural(len(plan.Models), "model"),
		plural(out.End.Visits, "visit"), out.End.DeviceS)
	if len(widths) > 0 {
		slices.Sort(widths)
		fmt.Fprintf(w, "intervals: ±%.1f %% in the middle, ±%.1f %% at the ninetieth of a hundred\n",
			100*widths[len(widths)/2], 100*widths[len(widths)*9/10])
	}
	for _, r := range out.Records {
		if r.Kind == benchmarks.RoleAnchor && r.AnchorRatio != nil {
			fmt.Fprintf(w, "anchor: %.3f of its start at the end\n", *r.AnchorRatio)
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
			fmt.Fprintf(w, "  %s: %s: %.120s\n", firstOf(r.Name, r.Case), strings.Join(r.Validity, ", "), r.Detail)
		}
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

// summaryModels is a table with a line a model.
func summaryModels(w io.Writer, plan *benchmarks.Plan, out *agent.Outcome) error {
	headline(w, out)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\t%s\t95 %% interval\tn\tload\tfirst run\tmemory\tvalidity\n", estimatorOf(out.Header))
	for _, r := range results(plan, out) {
		if r.Kind != benchmarks.RoleNetwork {
			continue
		}
		latency, interval := "–", "–"
		if r.EstimateUS != nil {
			latency = duration(*r.EstimateUS)
			interval = fmt.Sprintf("%s … %s", duration(r.CI95US[0]), duration(r.CI95US[1]))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Name, latency, interval, r.N, duration(r.LoadUS), duration(r.FirstRunUS),
			memoryText(r.Memory), strings.Join(r.Validity, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range results(plan, out) {
		if r.Kind == benchmarks.RoleNetwork && r.Detail != "" {
			fmt.Fprintf(w, "%s: %s\n", r.Name, r.Detail)
		}
	}
	return nil
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

// memoryText is weights and peak of activations.
func memoryText(m *record.Memory) string {
	if m == nil {
		return "–"
	}
	var parts []string
	if m.WeightsBytes != nil {
		parts = append(parts, bytesText(*m.WeightsBytes)+" weights")
	}
	if m.PeakActBytes != nil {
		parts = append(parts, bytesText(*m.PeakActBytes)+" working")
	}
	if m.PeakRSSBytes != nil {
		parts = append(parts, bytesText(*m.PeakRSSBytes)+" process")
	}
	return strings.Join(parts, ", ")
}

func bytesText(n int64) string {
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

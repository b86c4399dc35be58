package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/browsertest"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

const evil = `<script>alert("x")</script>`

// bigTable has 5,000 cells, an audit, a violation and hostile names.
func bigTable(t *testing.T) *lut.Table {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	f := lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: "isotonic",
		Device:   lut.Device{ID: "d", Model: "board " + evil, CPU: "cpu", OS: "linux", Arch: "arm64", Cores: "big"},
		Runtime:  lut.Runtime{Library: lut.Library{Backend: "ort", Version: "1.32.0", Provider: "cpu"}, Threads: 1},
		Inputs:   []lut.Input{{Kind: "cells", SHA256: strings.Repeat("ab", 32), Records: 5000}},
		Expires:  []string{"when the runtime changes"},
		Warnings: []lut.Warning{{Code: "violation", Key: "mbconv[act=relu6,k=3,s=1]/fp32@cin=16,cout=16,h=7,mid=16,w=7", Detail: "falls by 9 % " + evil, P: 0.001}},
	}
	for _, k := range []string{"3", "5"} {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
			fam := lut.Family{Op: lut.NewOp("mbconv", p, map[string]string{"act": "relu6", "k": k, "s": "1"}, nil), Axes: []string{"cin", "cout", "h", "mid", "w"}}
			for _, c := range []int{16, 24, 32, 48, 64} {
				for _, h := range []int{7, 14, 28, 56, 112} {
					for mid := 8; mid <= 400; mid += 8 {
						raw := float64(h*h*mid*c) / 5000 * (1 + 0.05*rng.Float64())
						fam.Knots = append(fam.Knots, lut.Knot{At: []int{c, c, h, mid, h}, Raw: raw, Corrected: raw, Lo: raw * .99, Hi: raw * 1.01, N: 60, Reason: lut.Measured, Records: []string{"c"}})
					}
				}
			}
			f.Families = append(f.Families, fam)
		}
	}
	eta := 0.042
	a := &lut.Audit{Delta: .05, Beta: .05, K: 60, Eta: &eta, Gamma: .01, Median: .01,
		Raw: lut.Errors{N: 60, Bias: -.03, RMSPE: .04, Acc5: .8, Acc10: 1, Max: .08}, Errors: lut.Errors{N: 60, RMSPE: .015, Acc5: 1, Acc10: 1, Max: .042},
		NoiseFloor: &lut.NoiseFloor{N: 60, MedianHalf: .004, MaxHalf: .01},
		Feasible:   []lut.Feasible{{Tau: .05, Pairs: 100, Inside: .97, RawPairs: 90, RawInside: .8}},
		Corners:    []lut.Corner{{Kind: "mbconv", Precision: lut.INT8, Width: "wide", N: 20, Bias: .01, Max: .04}},
		Interval:   lut.Coverage{N: 60, Inside: .95}}
	for i := range 60 {
		m := 2000 + 50*float64(i)
		p := m * (1 + 0.02*rng.NormFloat64())
		a.Networks = append(a.Networks, lut.Network{Case: fmt.Sprintf("n%03d", i), Name: "net" + evil, Kernels: 12, Measured: m, Sum: m * .95, Predicted: p, Lo: p * .96, Hi: p * 1.04})
	}
	f.Audit = a
	tab, err := lut.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func campaignFile() *record.File {
	f := &record.File{Path: "rec" + evil + ".jsonl", Header: record.Header{Agent: "v1", Started: "2026-01-02T03:04:05Z"}}
	temp := 40.0
	for i := range 10 {
		r := &record.Round{Index: i, ReferenceRatio: 1 + float64(i)/200, DeviceS: float64(i) * 3, State: &record.State{MHz: []float64{2000 - float64(i)}, Celsius: &temp}}
		if i == 5 {
			r.Void = "throttled"
		}
		f.Journal = append(f.Journal, record.Entry{Line: record.Line{Round: r}})
	}
	f.Records = []record.Entry{
		{Line: record.Line{Record: &record.Record{Validity: []record.Validity{record.OK}}}},
		{Line: record.Line{Record: &record.Record{Validity: []record.Validity{"crashed:SIGSEGV"}, Detail: evil}}},
	}
	return f
}

func TestTableReport(t *testing.T) {
	if testing.Short() {
		t.Skip("opens the page in Chromium: make test")
	}
	var b bytes.Buffer
	if err := Table(&b, bigTable(t), []*record.File{campaignFile()}, Learned{}); err != nil {
		t.Fatal(err)
	}
	if n := b.Len(); n > 3<<20 {
		t.Errorf("a 5,000-cell table's report is %.1f MB, want at most 3", float64(n)/(1<<20))
	}
	if n := strings.Count(b.String(), "<script"); n != 1 {
		t.Errorf("%d script elements, want only the page's own", n)
	}
	for _, want := range []string{"η = 4.2 %", "crashed:SIGSEGV", "throttled", "mid channels", "All cells", "falls by 9 %"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	inChromium(t, "table", b.Bytes())
}

func TestTableWithoutAuditSaysSo(t *testing.T) {
	f := *bigTable(t).File()
	f.Audit, f.Warnings = nil, nil
	tab, err := lut.New(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Table(&b, tab, nil, Learned{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "never audited") {
		t.Error("an unaudited table does not say so")
	}
}

// inChromium checks a report at desktop and phone width; with
// ISOCOST_SCREENSHOTS it leaves pictures there.
func inChromium(t *testing.T, name string, html []byte) {
	file := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(file, html, 0o644); err != nil {
		t.Fatal(err)
	}
	for kind, size := range map[string][2]int{"desktop": {1280, 900}, "phone": {390, 844}} {
		t.Run(kind, func(t *testing.T) {
			p := browsertest.Open(t, file, size[0], size[1])
			p.CheckReport()
			if dir := os.Getenv("ISOCOST_SCREENSHOTS"); dir != "" {
				p.Screenshot(filepath.Join(dir, name+"-"+kind+".png"), 2400)
			}
		})
	}
}

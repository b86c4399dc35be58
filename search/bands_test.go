package search_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
)

// made is an evaluator of networks without networks: a layer is worth more the
// larger its kernel, expansion, width and precision.
type made struct{}

func (made) Identity() search.Identity {
	return search.Identity{Spec: "made", SHA256: strings.Repeat("0", 64)}
}

func (made) Evaluate(_ context.Context, r search.Request) (search.Answer, error) {
	u := 0.0
	for l, x := range r.Arch.Layers {
		if strings.Contains(string(x.Precision), "/") {
			return search.Answer{}, fmt.Errorf("%s is not a network", r.Key)
		}
		u += float64(x.Width)
		if strings.Contains(x.Choice, "k5") {
			u += float64(3 + l)
		}
		if strings.Contains(x.Choice, "e6") {
			u += 4
		}
		if x.Precision == lut.FP32 {
			u += 0.5
		}
	}
	return search.Answer{Utility: u + float64(r.Seed%1000)/500}, nil
}

// twoTables writes tables of the example space on two devices: the second does
// int8 at nine tenths where the first takes six.
func twoTables(t *testing.T, dir string) []string {
	t.Helper()
	sp, err := space.OpenMeasured("../examples/tiny-two/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i, int8 := range []float64{0.6, 0.9} {
		table := search.SampleTable(t, sp, int8)
		path := filepath.Join(dir, fmt.Sprintf("device%d.lut.json", i+1))
		if err := os.WriteFile(path, table.Encode(), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// TestSearchOnTwoDevices searches two tables at once, with a common precision and
// with one per device, measured on both, each with its own tolerance; and has
// every number recomputed.
func TestSearchOnTwoDevices(t *testing.T) {
	dir := t.TempDir()
	tables := twoTables(t, dir)
	for _, perDevice := range []bool{false, true} {
		s := search.DefaultSettings()
		s.Epsilon, s.Fresh, s.PerDevice = 2, 4, perDevice
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		in, err := search.OpenInputs(search.Inputs{Space: "../examples/tiny-two/space.yaml", Tables: tables,
			Measured: []bool{true, true}, Tau: map[string]float64{"device2": 0.1}}, s)
		if err != nil {
			t.Fatal(err)
		}
		var ev search.Evaluator = made{}
		per, ok := in.Problem.Space.(*space.PerDevice)
		if ok != perDevice {
			t.Fatal("the space is not what was asked for")
		}
		if perDevice {
			ev = evaluator.PerDevice(ev, per)
		}
		if err := in.Attach(ev); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, fmt.Sprint("run", perDevice))
		if err := in.Save(out); err != nil {
			t.Fatal(err)
		}
		p2 := in.Problem
		p2.Bands = p2.Bands[1:]
		d := &search.Driver{Dir: out, Problem: in.Problem, Header: in.Header, Evaluator: ev, Workers: 2,
			Measurers: []search.Measurer{&device{p: in.Problem}, &device{p: p2}}}
		c, err := d.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !c.Claim.Reached || len(c.Moves) == 0 || len(c.Measured) != 2 {
			t.Fatalf("per device %t: reached %t, %d moves, %d devices, %v", perDevice, c.Claim.Reached, len(c.Moves), len(c.Measured), c.Alarms)
		}
		for i, tau := range []float64{0.05, 0.1} {
			for _, n := range append([]search.CertArm{{Dev: c.Final.Dev}}, c.Neighbours...) {
				if n.Dev[i] > tau+1e-9 || n.Dev[i] < 1/(1+tau)-1-1e-9 {
					t.Errorf("per device %t: %s deviates by %g on table %d", perDevice, n.Arch, n.Dev[i], i+1)
				}
			}
			if !c.Measured[i].FinalInside {
				t.Errorf("per device %t: measured on %s the final is outside", perDevice, c.Measured[i].Table)
			}
		}
		if !strings.Contains(c.Claim.Text, "±10 % on device2") {
			t.Errorf("the claim does not name the second tolerance: %s", c.Claim.Text)
		}
		if _, err := verify(out); err != nil {
			t.Errorf("per device %t: %v", perDevice, err)
		}
		names, _ := filepath.Glob(filepath.Join(out, "best*.json"))
		if want := map[bool]int{false: 1, true: 3}[perDevice]; len(names) != want {
			t.Errorf("per device %t: files %q", perDevice, names)
		}
		base, err := space.OpenMeasured("../examples/tiny-two/space.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if perDevice && strings.HasSuffix(name, search.BestFile) {
				continue // of no single device
			}
			if _, err := space.DecodeArch(base, name, data); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(name, bytes.Replace(data, []byte("fp32"), []byte("int8"), 1), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := verify(out); err == nil && bytes.Contains(data, []byte("fp32")) {
				t.Errorf("a changed %s passes", name)
			}
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		// The header's own fields are part of the run: another tolerance is another search.
		in.Header.Tables[1].Tau = nil
		if err := (&search.Driver{Dir: out, Problem: in.Problem, Header: in.Header}).Check(); err == nil || !strings.Contains(err.Error(), "tables.1.tau") {
			t.Errorf("another tolerance: %v", err)
		}
	}
}

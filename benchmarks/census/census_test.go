package census_test

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

func TestBuiltInCensus(t *testing.T) {
	c, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
		part := c.Of([]lut.Precision{p})
		if n := len(part.Families()); n < 15 {
			t.Errorf("%s: %d families, want at least 15", p, n)
		}
		total := 0.0
		for _, k := range part.Kernels() {
			total += k.Share
		}
		if total < 0.99 || total > 1.01 {
			t.Errorf("%s: shares add up to %.3f", p, total)
		}
	}
	if left := c.Of(nil, "resnet"); len(left.Networks) >= len(c.Networks) || strings.Contains(strings.Join(left.Families(), " "), "resnet ") {
		t.Errorf("%d of %d networks without a family: %v", len(left.Networks), len(c.Networks), left.Families())
	}
}

func ops(t *testing.T, keys ...string) []lut.Op {
	t.Helper()
	var out []lut.Op
	for _, k := range keys {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, op)
	}
	return out
}

func branched(t *testing.T) census.Network {
	return census.Network{Name: "b", Family: "f", Precision: lut.FP32, Kernels: ops(t,
		"conv[act=relu,k=3,s=2]/fp32@cin=3,cout=16,h=32,w=32",
		"conv[act=relu,k=1,s=1]/fp32@cin=16,cout=64,h=16,w=16",
		"conv[act=relu,k=1,s=1]/fp32@cin=16,cout=24,h=16,w=16", // another branch
		"dwconv[act=relu,k=3,s=1]/fp32@c=64,h=16,w=16",
		"conv[k=1,s=1]/fp32@cin=64,cout=16,h=16,w=16")}
}

func TestFileRoundTrip(t *testing.T) {
	var c census.Census
	n := branched(t)
	for _, name := range []string{"b", "a", "b"} { // sorted, and once each
		n.Name = name
		c.Add(n)
	}
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := census.Read("c", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Networks) != 2 || back.Networks[0].Name != "a" || len(back.Networks[1].Kernels) != 5 {
		t.Fatalf("read back: %+v", back.Networks)
	}
	again, err := back.Encode()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("encoded again it differs (%v)", err)
	}
	if _, err := census.Read("c", data[:len(data)-9]); err == nil || !strings.Contains(err.Error(), "cut or damaged") {
		t.Errorf("a cut file: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	const head = `{"format":"isocost/census/v1","networks":1}` + "\n"
	for text, want := range map[string]string{
		"":   "promises 0 networks",
		head: "promises 1 networks, the file has 0",
		`{"format":"isocost/lut/v1","networks":0}` + "\n": `c:1: format is "isocost/lut/v1"`,
		head + `{"name":"a"`:                              "c:2: the census ends in the middle of a line",
		head + `{"name":"a","family":"f","precision":"fp31","kernels":["gap/fp32@c=8,h=7,w=7"]}` + "\n": `c:2: network a: unknown precision "fp31"`,
		head + `{"name":"a","family":"f","precision":"fp32","kernels":[]}` + "\n":                       "c:2: network a has no kernels",
		head + `{"name":"a","family":"f","precision":"fp32","kernels":["gap/fp32@c=08"]}` + "\n":        "c:2:",
		head + `{"name":"a","family":"f","precision":"fp32","kernel":[]}` + "\n":                        "c:2:",
	} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := census.Read("c", b.Bytes()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := census.Read("c", []byte("plain")); err == nil || !strings.Contains(err.Error(), "not a census") {
		t.Errorf("no gzip: %v", err)
	}
}

// TestWalksAreChains: what a walk draws can be built, keeps the network's order, and passes
// branches by.
func TestWalksAreChains(t *testing.T) {
	n := branched(t)
	all := n.Walk(rand.New(rand.NewPCG(1, 1)), 10, func(lut.Op) float64 { return 1 })
	if len(all) != 4 || all[2].Kind != "dwconv" {
		t.Errorf("the longest walk is %v, want the four kernels of the main branch", all)
	}
	c, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	rng, built := rand.New(rand.NewPCG(2, 2)), 0
	for i := 0; i < len(c.Networks); i += 9 {
		n := &c.Networks[i]
		chain := n.Walk(rng, 12, func(lut.Op) float64 { return 1 })
		if chain == nil {
			continue
		}
		if len(chain) > 12 {
			t.Errorf("%s: %d kernels, want at most 12", n.Name, len(chain))
		}
		if _, err := benchmarks.Build(chain, benchmarks.BuildOptions{Shapes: true}); err != nil {
			t.Errorf("%s: %v", n.Name, err)
			continue
		}
		built++
		at := 0
		for _, op := range chain {
			for at < len(n.Kernels) && n.Kernels[at].String() != op.String() {
				at++
			}
			at++
		}
		if at > len(n.Kernels) {
			t.Errorf("%s: %v is not in the network's order", n.Name, chain)
		}
	}
	if built < 5 {
		t.Errorf("%d walks were built, want at least 5", built)
	}
	without := n.Without(map[string]bool{n.Kernels[3].String(): true})
	if len(without.Kernels) != 4 || len(n.Kernels) != 5 {
		t.Errorf("without a key: %d kernels of %d", len(without.Kernels), len(n.Kernels))
	}
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"costgen": func() { os.Exit(program().Main()) }})
}

// The scripts run the real main on rec.jsonl, a campaign of a made-up device.
func TestCostgenScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: golden.Update(), RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			return os.WriteFile(filepath.Join(e.WorkDir, "rec.jsonl"), campaign(70), 0o666)
		},
	})
}

// campaign is a record file: pointwise convolutions of cost cin·cout/10 and
// networks of them that cost 1.1·Σ + 30, all within 1 %, 30 to calibrate and the
// given number to audit.
func campaign(audit int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	h := record.Header{
		Format: record.FormatV1, Agent: "test", Started: "2024-01-01T00:00:00Z", Plan: hash("plan"),
		Protocol: lut.Protocol{SHA256: hash("p: 1\n"), YAML: "p: 1\n"},
		Device:   lut.Device{ID: "dev", Model: "m", CPU: "made-up", OS: "linux", Arch: "amd64", Cores: "0"},
		Runtime:  lut.Runtime{Library: lut.Library{Backend: "sim", Version: "1", SHA256: hash("lib"), Provider: "cpu"}, Threads: 1},
	}
	var b bytes.Buffer
	chain := record.Chain{Plain: true} // scripts change and shuffle lines
	line := func(data []byte, err error) {
		if err != nil {
			panic(err)
		}
		b.Write(chain.Seal(data))
		b.WriteByte('\n')
	}
	line(record.EncodeHeader(h))
	n := 0
	put := func(r record.Record, v float64) {
		n++
		v *= 1 + 0.01*rng.NormFloat64()
		ci := record.Interval{v * 0.98, v * 1.02}
		r.Case, r.Validity, r.EstimateUS, r.CI95US, r.N, r.Rounds, r.Stop = fmt.Sprintf("case%03d", n), []record.Validity{record.OK}, &v, &ci, 50, 5, "target"
		r.Terms = []record.TermSamples{{Coef: 1, Model: "m", EstimateUS: v, CI95US: ci, N: 50}}
		line(record.EncodeLine(record.Line{Record: &r}))
	}
	var ops []lut.Op
	for _, cin := range []int{8, 16, 24} {
		for _, cout := range []int{8, 16, 24, 32} {
			op := lut.NewOp("conv", lut.FP32, map[string]string{"k": "1", "s": "1"}, map[string]int{"cin": cin, "cout": cout, "h": 14, "w": 14})
			ops = append(ops, op)
			put(record.Record{Kind: role.Cell, Key: &op}, float64(cin*cout)/10)
		}
	}
	for i := range 30 + audit {
		r := record.Record{Kind: role.Network, Set: role.Calibrate, Name: fmt.Sprintf("net%03d", i)}
		if i >= 30 {
			r.Set = role.Audit
		}
		v := 30.0
		for range 4 + rng.IntN(12) {
			op := ops[rng.IntN(len(ops))]
			cin, _ := op.Coord("cin")
			cout, _ := op.Coord("cout")
			v += 1.1 * float64(cin*cout) / 10
			r.Ops = append(r.Ops, op)
		}
		put(r, v)
	}
	line(record.EncodeLine(record.Line{End: &record.End{Cases: n}}))
	return b.Bytes()
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

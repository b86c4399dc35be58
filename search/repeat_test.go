package search

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/space"
)

// plantedEvaluator evaluates a planted space; some of its samples fail.
type plantedEvaluator struct {
	p     *planted
	fails bool
}

func (e plantedEvaluator) Identity() Identity { return Identity{Spec: "planted"} }

func (e plantedEvaluator) Evaluate(ctx context.Context, r Request) (Answer, error) {
	if e.fails && (r.Arch.Layers[1].Choice == "b" && r.Arch.Layers[2].Choice == "c" || r.Index%11 == 3) {
		return Answer{}, &Failure{Reason: "out of memory"}
	}
	out, err := e.p.noisy(ctx, []Request{r})
	if err != nil {
		return Answer{}, err
	}
	out[0].Seconds = 1 + e.p.draw(9, choice(r.Arch.Layers[0]))
	return out[0].Answer, nil
}

// plantedDevice measures a planted space with errors of up to 4 %.
type plantedDevice struct{ p *planted }

func (d plantedDevice) Measure(_ context.Context, archs []space.Arch) ([]Measurement, error) {
	out := make([]Measurement, len(archs))
	for i, a := range archs {
		c, err := d.p.Cost(a)
		if err != nil {
			return nil, err
		}
		h := fnv.New32a()
		h.Write([]byte(a.Key()))
		v := c.Value * (1 + 0.08*(float64(h.Sum32()%1000)/1000-0.5))
		out[i] = Measurement{Metric: "latency", Unit: "us", Value: v, Lo: v * 0.99, Hi: v * 1.01, N: 9, Validity: []string{"ok"}, Device: "fake"}
	}
	return out, nil
}

// TestSearchesRepeatToTheByte holds journals and certificates of many kinds of
// search against digests on file: what a search with given settings and outcomes
// does and claims must not change unnoticed. Rewrite them with -update.
func TestSearchesRepeatToTheByte(t *testing.T) {
	one, zero, half, big := 1.0, 0.0, 0.5, 3.0
	type variant struct {
		name     string
		change   func(*Settings, *planted)
		pool     int
		measured bool
		fails    bool
		budget   int
		format   string // of the journal; version 1 where a variant says nothing
	}
	var variants []variant
	for _, sel := range []Selector{LUCB, Elimination, Uniform} {
		for _, scope := range []Scope{ScopeAll, ScopeLayer} {
			for _, schedule := range []Schedule{ScheduleEpochs, ScheduleComparisons} {
				variants = append(variants, variant{name: string(sel) + "-" + string(scope) + "-" + string(schedule), change: func(s *Settings, _ *planted) {
					s.Selector, s.Scope, s.Schedule = sel, scope, schedule
				}})
			}
		}
	}
	paired := func(common float64, diff *float64) func(*Settings, *planted) {
		return func(s *Settings, p *planted) {
			s.Selector, s.Sigma, s.SigmaDiff = "paired", nil, diff
			p.common = common
		}
	}
	multi := func(bias, sigma *float64) func(*Settings, *planted) {
		return func(s *Settings, p *planted) {
			s.Selector = "multi-fidelity"
			s.Fidelities = []evidence.Fidelity{{Value: 0.1, Bias: bias, Sigma: sigma}, {Value: 0.3, Bias: bias}}
			p.bias = 0.4
		}
	}
	variants = append(variants,
		variant{name: "calibrated", change: func(s *Settings, _ *planted) { s.Sigma = nil }},
		variant{name: "calibrated-fails", change: func(s *Settings, _ *planted) { s.Sigma = nil }, fails: true},
		variant{name: "fails", fails: true},
		variant{name: "deterministic", change: func(s *Settings, _ *planted) { s.Sigma = &zero }},
		variant{name: "wrong-sigma", change: func(s *Settings, _ *planted) { small := 0.1; s.Sigma = &small }},
		variant{name: "batch", change: func(s *Settings, _ *planted) { s.Batch = 4 }},
		variant{name: "all-neighbours", change: func(s *Settings, _ *planted) { s.Neighbours = NeighboursAll }},
		variant{name: "move-score", change: func(s *Settings, _ *planted) { s.MoveScore = 3 }},
		variant{name: "paired-0.9", change: paired(0.9, nil)},
		variant{name: "paired-0.9-fails", change: paired(0.9, nil), fails: true},
		variant{name: "paired-0", change: paired(0, nil)},
		variant{name: "paired-declared", change: paired(0.5, &one)},
		variant{name: "paired-declared-wrongly", change: paired(0, &half)},
		variant{name: "paired-measured", change: paired(0.9, nil), measured: true},
		variant{name: "paired-layer", change: func(s *Settings, p *planted) { paired(0.8, nil)(s, p); s.Scope = ScopeLayer }},
		variant{name: "multi-order", change: multi(nil, nil)},
		variant{name: "multi-bias", change: multi(&half, nil)},
		variant{name: "multi-bias-sigma", change: multi(&half, &half)},
		variant{name: "multi-bias-large", change: multi(&big, nil), fails: true},
		variant{name: "multi-measured", change: multi(&half, nil), measured: true},
		variant{name: "multi-layer", change: func(s *Settings, p *planted) { multi(&half, nil)(s, p); s.Scope = ScopeLayer }},
		variant{name: "pool", pool: 6},
		variant{name: "pool-fails", pool: 6, fails: true},
		variant{name: "pool-elimination", pool: 3, change: func(s *Settings, _ *planted) { s.Selector = "elimination" }},
		variant{name: "pool-comparisons", pool: 5, change: func(s *Settings, _ *planted) { s.Schedule = ScheduleComparisons }},
		variant{name: "measured", measured: true},
		variant{name: "measured-comparisons", measured: true, change: func(s *Settings, _ *planted) { s.Schedule = ScheduleComparisons }},
		variant{name: "published", change: func(s *Settings, _ *planted) { s.Published, s.Epsilon = true, 6 }},
		variant{name: "published-calibrated-pool", pool: 8, change: func(s *Settings, _ *planted) { s.Published, s.Epsilon, s.Sigma = true, 6, nil }},
		variant{name: "budget", budget: 60},
		variant{name: "budget-calibrating", budget: 20, change: func(s *Settings, _ *planted) { s.Sigma = nil }},
		variant{name: "budget-paired", budget: 70, change: paired(0.9, nil)},
		variant{name: "budget-multi", budget: 70, change: multi(&half, nil)},
		variant{name: "budget-pool", budget: 50, pool: 6},
	)
	for i := range variants {
		variants[i].format = journalV1
	}
	byRules := func(rules int, plan string, neighbours Neighbours) func(*Settings, *planted) {
		return func(s *Settings, p *planted) {
			s.Neighbours = neighbours
			if s.Explore, _ = explore.Parse(plan); s.Explore == nil {
				p.widths = 1
			} else {
				s.Explore.Rules = rules
			}
		}
	}
	explored := func(plan string, neighbours Neighbours) func(*Settings, *planted) {
		return byRules(0, plan, neighbours)
	}
	variants = append(variants,
		variant{name: "v2"},
		variant{name: "v2-vacuous", change: func(s *Settings, p *planted) { s.Tau, p.widths, p.precisions = 0.003, 1, nil }},
		variant{name: "v2-exchange", change: explored("none", NeighboursExchange)},
		variant{name: "v2-gp", change: explored("gp:20", "")},
		variant{name: "v2-gp-exchange-measured", change: explored("gp:12", NeighboursExchange), measured: true},
		variant{name: "v2-evolution-fails", change: explored("evolution:16", ""), fails: true},
		variant{name: "v2-random-pool", change: explored("random:9", ""), pool: 6},
		variant{name: "v2-gp-budget", change: explored("gp:30", ""), budget: 21},
	)
	for i := range variants {
		if strings.HasPrefix(variants[i].name, "v2") {
			variants[i].format = journalV2
		}
	}
	variants = append(variants,
		variant{name: "v3"},
		variant{name: "v3-per-network-fails", change: func(s *Settings, _ *planted) { s.Sigma, s.Noise = nil, NoisePerNetwork }, fails: true},
		variant{name: "v3-median", change: func(s *Settings, _ *planted) { s.Sigma, s.Robust = nil, RobustMedian }},
		variant{name: "v3-range", change: func(s *Settings, _ *planted) {
			s.Sigma, s.UtilityRange, s.Epsilon = nil, &[2]float64{-20, 20}, 8
		}},
		variant{name: "v3-gp-exchange-measured", change: explored("gp:12", NeighboursExchange), measured: true},
		variant{name: "v3-gp-rules-1", change: byRules(1, "gp:60", "")},
		variant{name: "v3-gp-rules-1-pool", change: byRules(1, "gp:30", ""), pool: 4},
	)
	const seeds = 3
	lines := make([]string, len(variants)*seeds)
	search := func(t *testing.T, v variant, seed uint64) string {
		p := &planted{layers: 5, choices: 3, widths: 3, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: seed, inversions: 0.3, spread: 2}
		s := DefaultSettings()
		s.Epsilon, s.Delta, s.Sigma, s.Seed, s.Fresh, s.SigmaArchs, s.SigmaRepeats = 1, 0.1, &one, seed, 4, 8, 3
		if v.change != nil {
			v.change(&s, p)
		}
		prob := p.problem(s.Tau)
		if v.pool > 0 {
			s.Pool = true
			prob.PoolSize = func(space.Arch) int { return v.pool }
		}
		if err := s.Complete(); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		b := prob.Bands[0]
		d := &Driver{Dir: filepath.Join(t.TempDir(), "run"), Problem: prob, Evaluator: plantedEvaluator{p, v.fails}, Budget: v.budget,
			Header: Header{Format: v.format, Settings: s, Space: FileRef{Name: p.Name(), SHA256: p.Hash()}, Evaluator: Identity{Spec: "planted"}, Anchor: prob.Anchor.Key(),
				Tables: []TableRef{{FileRef: FileRef{Name: b.Name}, Metric: "latency", Unit: "us", Budget: b.Budget, Measured: v.measured}}}}
		if v.measured {
			d.Measurers = []Measurer{plantedDevice{p}}
		}
		sum := sha256.New()
		outcome := "certified"
		cert, err := d.Run(context.Background())
		if err != nil { // as much of the result as its digest
			outcome = "error"
			sum.Write([]byte(err.Error()))
		} else {
			if !cert.Claim.Reached {
				outcome = "stopped"
			}
			for _, name := range []string{JournalFile, CertificateFile, BestFile} {
				data, err := os.ReadFile(filepath.Join(d.Dir, name))
				if err != nil {
					t.Fatal(err)
				}
				sum.Write(bytes.ReplaceAll(data, []byte(d.Dir), nil))
			}
		}
		return fmt.Sprintf("%s %d %s %s\n", v.name, seed, outcome, hex.EncodeToString(sum.Sum(nil)[:8]))
	}
	t.Run("variants", func(t *testing.T) {
		for i := range lines {
			v, seed := variants[i/seeds], i%seeds
			t.Run(fmt.Sprint(v.name, " ", seed), func(t *testing.T) {
				t.Parallel()
				lines[i] = search(t, v, uint64(seed))
			})
		}
	})
	golden.File(t, "testdata/repeat.txt", []byte(strings.Join(lines, "")))
}

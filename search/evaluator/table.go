// Package evaluator holds the evaluators of isosearch: replay of a table, any
// outside program, and the training-free utilities computed in ONNX Runtime.
package evaluator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Table replays a tabular benchmark: its utilities are all there is, so they are
// drawn without replacement and the claim is about their mean. With noise it
// answers with the row's mean and Gaussian noise instead, without limit: a
// benchmark made endless for simulation.
type Table struct {
	identity search.Identity
	rows     map[string][]float64
	seed     uint64
	sigma    float64 // of the noise, 0 to draw from the pool
	data     []byte
}

// OpenTable opens FILE[,noise=gaussian|SIGMA]; noise=gaussian takes the pooled
// standard deviation of the table's own repeats. seed orders the draws.
func OpenTable(spec string, seed uint64) (*Table, error) {
	path, opts, _ := strings.Cut(spec, ",")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, "name a table of utilities, as in table:nas.jsonl")
	} else if err != nil {
		return nil, err
	}
	t := &Table{rows: map[string][]float64{}, seed: seed, data: data}
	sum := sha256.Sum256(data)
	t.identity = search.Identity{Spec: "table:" + spec, SHA256: hex.EncodeToString(sum[:])}
	err = space.ReadRows(path, data, func(_ int, r space.Row) error {
		t.rows[r.Arch] = r.Utility
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("%s: the table is empty", path)
	}
	if opts == "" {
		return t, nil
	}
	noise, ok := strings.CutPrefix(opts, "noise=")
	if !ok {
		return nil, hint.Wrap(fmt.Errorf("evaluator table:%s: unknown option %q", spec, opts), "the option is noise=gaussian or noise=SIGMA")
	}
	if noise == "gaussian" {
		if t.sigma = t.Pooled(); t.sigma == 0 {
			return nil, hint.Wrap(fmt.Errorf("%s: no row has two different utilities to take the noise from", path), "say it: noise=SIGMA")
		}
		return t, nil
	}
	t.sigma, err = strconv.ParseFloat(noise, 64)
	if err != nil || !(t.sigma > 0) || math.IsInf(t.sigma, 0) {
		return nil, fmt.Errorf("evaluator table:%s: noise %q is not a positive number", spec, noise)
	}
	return t, nil
}

// Pooled is the pooled standard deviation of one utility within its row.
func (t *Table) Pooled() float64 {
	ss, nu := 0.0, 0
	for _, key := range slices.Sorted(maps.Keys(t.rows)) { // in one order: sums of floats depend on it
		u := t.rows[key]
		m := mean(u)
		for _, x := range u {
			ss += (x - m) * (x - m)
		}
		nu += len(u) - 1
	}
	if nu == 0 {
		return 0
	}
	return math.Sqrt(ss / float64(nu))
}

func mean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

// Evaluate implements search.Evaluator.
func (t *Table) Evaluate(_ context.Context, r search.Request) (search.Answer, error) {
	u, ok := t.rows[r.Key]
	if !ok {
		return search.Answer{}, &search.Failure{Reason: "the table has no row of this architecture"}
	}
	if t.sigma > 0 {
		rng := rand.New(rand.NewPCG(r.Seed, 0x7461626c65))
		return search.Answer{Utility: mean(u) + t.sigma*rng.NormFloat64()}, nil
	}
	if r.Index >= len(u) || r.Stream != search.StreamSearch {
		return search.Answer{}, &search.Failure{Reason: fmt.Sprintf("the table has only %d utilities of this architecture", len(u))}
	}
	order := rand.New(rand.NewPCG(search.SampleSeed(t.seed, "pool", r.Key, 0), 0)).Perm(len(u))
	return search.Answer{Utility: u[order[r.Index]]}, nil
}

// PoolSize implements search.Pooled; 0 with noise.
func (t *Table) PoolSize(a space.Arch) int {
	if t.sigma > 0 {
		return 0
	}
	return max(len(t.rows[a.Key()]), 1) // an absent row fails when asked for
}

// Table is the content of the file.
func (t *Table) Table() []byte { return t.data }

// Identity implements search.Evaluator.
func (t *Table) Identity() search.Identity { return t.identity }

var (
	_ search.Evaluator = (*Table)(nil)
	_ search.Pooled    = (*Table)(nil)
)

// Package evaluator holds the evaluators of isosearch: replay of a table, any
// outside program, and the training-free utilities computed in ONNX Runtime.
package evaluator

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Table replays a tabular benchmark: its utilities are all there is, so they are
// drawn without replacement and the claim is about their mean. With noise it
// answers with the row's mean and Gaussian noise instead, without limit: a
// benchmark made endless for simulation. A share of the noise may be common to all
// architectures at a seed, as with common random numbers, and a fidelity below 1
// may be biased: both are made up.
type Table struct {
	identity search.Identity
	rows     map[string][]float64
	seed     uint64
	sigma    float64 // of the noise, 0 to draw from the pool
	common   float64 // share of its variance that all architectures have at a seed
	bias     float64 // largest error of a difference at fidelity 0, in proportion less above
	data     []byte
}

// OpenTable opens FILE[,noise=gaussian|SIGMA[,common=SHARE][,bias=B]];
// noise=gaussian takes the pooled standard deviation of the table's own repeats.
// seed orders the draws.
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
	err = space.ReadRows(path, data, func(line int, r space.Row) error {
		for _, u := range r.Utility {
			if math.Abs(u) > mostUtility { // sums and squares of such are not numbers
				return hint.Wrap(fmt.Errorf("%s:%d: the utility %g of %.80s is beyond ±%g", path, line, u, r.Arch, mostUtility), "leave the row of a diverged training out")
			}
		}
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
	return t, t.options(spec, strings.Split(opts, ","))
}

// options reads what follows a table's name.
func (t *Table) options(spec string, opts []string) error {
	seen := map[string]bool{}
	for _, opt := range opts {
		name, text, _ := strings.Cut(opt, "=")
		bad := func(want string) error {
			return hint.Wrap(fmt.Errorf("evaluator table:%s: %q is not %s", spec, opt, want), "as in table:nas.jsonl,noise=gaussian,common=0.5,bias=0.3")
		}
		if seen[name] {
			return fmt.Errorf("evaluator table:%s: %s is there twice", spec, name)
		}
		seen[name] = true
		v, err := strconv.ParseFloat(text, 64)
		switch {
		case name == "noise" && text == "gaussian":
			if t.sigma = t.Pooled(); t.sigma == 0 {
				return hint.Wrap(fmt.Errorf("evaluator table:%s: no row has two different utilities to take the noise from", spec), "say it: noise=SIGMA")
			}
		case name == "noise":
			if t.sigma = v; err != nil || !(v > 0) || math.IsInf(v, 0) {
				return bad("noise=gaussian or a positive number")
			}
		case name == "common":
			if t.common = v; err != nil || !(v >= 0 && v <= 1) {
				return bad("common= with a share from 0 to 1")
			}
		case name == "bias":
			if t.bias = v; err != nil || !(v >= 0) || math.IsInf(v, 0) {
				return bad("bias= with a number from 0")
			}
		default:
			return bad("an option: there are noise, common and bias")
		}
	}
	if !seen["noise"] {
		return hint.Wrap(fmt.Errorf("evaluator table:%s: common and bias are for simulated noise", spec), "add noise=gaussian or noise=SIGMA")
	}
	return nil
}

// Expected is the expected utility of a sample of an architecture: the mean of its row.
func (t *Table) Expected(key string) (utility float64, ok bool) {
	row, ok := t.rows[key]
	if !ok {
		return 0, false
	}
	return stats.Mean(row), true
}

// Keys lists the table's architectures in the order of their keys.
func (t *Table) Keys() []string { return slices.Sorted(maps.Keys(t.rows)) }

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
		// What all architectures have at a seed, and what each has alone.
		shared := rand.New(rand.NewPCG(r.Seed, 0x7461626c65)).NormFloat64()
		alone := rand.New(rand.NewPCG(r.Seed, keyed("noise", r.Key))).NormFloat64()
		a := search.Answer{Utility: mean(u) + t.sigma*(math.Sqrt(t.common)*shared+math.Sqrt(1-t.common)*alone)}
		if r.Fidelity < 1 {
			a.Utility += t.bias / 2 * (1 - r.Fidelity) * (2*float64(keyed("bias", r.Key)>>11)/(1<<53) - 1)
		}
		return a, nil
	}
	if r.Fidelity < 1 {
		return search.Answer{}, &search.Failure{Reason: "the table has full-fidelity utilities only"}
	}
	if r.Index >= len(u) || r.Stream != search.StreamSearch {
		return search.Answer{}, &search.Failure{Reason: fmt.Sprintf("the table has only %d utilities of this architecture", len(u))}
	}
	order := rand.New(rand.NewPCG(search.SampleSeed(t.seed, "pool", r.Key, 0), 0)).Perm(len(u))
	return search.Answer{Utility: u[order[r.Index]]}, nil
}

// keyed is a number that depends on a purpose and an architecture alone.
func keyed(purpose, key string) uint64 {
	sum := sha256.Sum256([]byte(purpose + "\x00" + key))
	return binary.LittleEndian.Uint64(sum[:])
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

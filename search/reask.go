package search

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/space"
)

// Reask asks an evaluator again for n of a run's samples, drawn at random with the seed, or
// for all of them for n < 0, and holds its answers against the journal's: equal requests
// get equal answers. Final utilities and failures are not asked for again. It returns how
// many samples were asked for.
func Reask(ctx context.Context, dir string, e Evaluator, n int, seed uint64) (int, error) {
	path := filepath.Join(dir, JournalFile)
	j, err := finishedJournal(path)
	if err != nil {
		return 0, err
	}
	if id := e.Identity(); id.SHA256 != j.Header.Evaluator.SHA256 {
		return 0, hint.Wrap(fmt.Errorf("%s:1: the evaluator is %s (%.12s…), the one at hand is %s (%.12s…)", path, j.Header.Evaluator.Spec, j.Header.Evaluator.SHA256, id.Spec, id.SHA256),
			"the same program, files and data have the same hash: --evaluator names them where they lie elsewhere")
	}
	if c, ok := e.(Calibrated); ok {
		for _, entry := range j.Entries {
			if entry.Kind == EntryCalibrate {
				if err := c.Restore(entry.State); err != nil {
					return 0, fmt.Errorf("restore the evaluator's scale: %w", err)
				}
			}
		}
	}
	var lines []int
	for i, entry := range j.Entries {
		if entry.Kind == EntryEval && entry.Stream != StreamFinal {
			lines = append(lines, i)
		}
	}
	if n >= 0 && n < len(lines) {
		rand.New(rand.NewPCG(seed, 0x7265617370)).Shuffle(len(lines), func(a, b int) { lines[a], lines[b] = lines[b], lines[a] })
		lines = lines[:n]
	}
	for _, i := range lines {
		entry := j.Entries[i]
		a, err := space.ParseArch(entry.Arch)
		if err != nil {
			return 0, fmt.Errorf("%s:%d: %w", path, i+2, err)
		}
		q := Request{Arch: a, Key: entry.Arch, Stream: entry.Stream, Index: *entry.Index, Seed: *entry.Seed, Fidelity: 1}
		if entry.Fidelity != nil {
			q.Fidelity = *entry.Fidelity
		}
		got, err := e.Evaluate(ctx, q)
		var failed *Failure
		switch {
		case errors.As(err, &failed):
			return 0, fmt.Errorf("%s:%d: the journal has utility %v, asked again the evaluator fails: %s", path, i+2, *entry.Utility, failed.Reason)
		case err != nil:
			return 0, err
		case got.Utility != *entry.Utility:
			return 0, hint.Wrap(fmt.Errorf("%s:%d: the journal has utility %v of %s with seed %d, asked again the evaluator says %v", path, i+2, *entry.Utility, entry.Arch, q.Seed, got.Utility),
				"equal requests must get equal answers: either the evaluator does not keep to its seed, or the journal is not of it")
		}
	}
	return len(lines), nil
}

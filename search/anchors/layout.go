package anchors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
)

// ParetoFile compares the finals; it is written when all searches have ended.
const ParetoFile = "pareto.json"

const prefix = "anchor-"

// RunName is the folder of the i-th anchor's search, i from 0: anchor-1.
func RunName(i int) string { return prefix + strconv.Itoa(i+1) }

// IsSet says whether a directory is of several anchors, finished or not.
func IsSet(dir string) bool {
	for _, name := range []string{ParetoFile, RunName(0)} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Names lists a directory's searches: anchor-1, anchor-2 and so on, without a gap.
func Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	n := 0
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), prefix)
		if i, err := strconv.Atoi(text); ok && err == nil && i > 0 && e.Name() == RunName(i-1) {
			n++
		}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = RunName(i)
		if _, err := os.Stat(filepath.Join(dir, names[i])); err != nil {
			return nil, hint.Wrap(fmt.Errorf("%s: %d searches, and %s is not among them", dir, n, names[i]), "run the same command again")
		}
	}
	return names, nil
}

// CheckOne refuses a directory of several anchors for a search from one.
func CheckOne(dir string) error {
	if !IsSet(dir) {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%s holds searches from several anchors", dir),
		"name the same ones with --anchors, go on with one alone by -o %s, or take another -o", filepath.Join(dir, RunName(0)))
}

// CheckSeveral refuses a directory of one anchor, or of more than n, for searches
// from n. Those that are there must be of the same anchors: the drivers see to that.
func CheckSeveral(dir string, n int) error {
	if _, err := os.Stat(filepath.Join(dir, search.JournalFile)); err == nil {
		return hint.Wrap(fmt.Errorf("%s holds a search from one anchor", dir), "go on with it by --anchor, or take another -o for several")
	}
	names, err := Names(dir)
	if err == nil && len(names) > n {
		err = hint.Wrap(fmt.Errorf("%s holds searches from %d anchors, the command names %d", dir, len(names), n),
			"name the same anchors in the same order, more may follow, or take another -o")
	}
	return err
}

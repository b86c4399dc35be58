package anchors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search"
)

// again says what helps against most that is wrong with a directory.
const again = "run the same command again: it goes on where it was ended"

// Open reads all searches of a directory. It checks their form; Verify recomputes
// them.
func Open(dir string) ([]Run, error) {
	names, err := Names(dir)
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, name := range names {
		r := Run{Name: name}
		if r.Certificate, err = search.ReadCertificate(filepath.Join(dir, name, search.CertificateFile)); errors.Is(err, fs.ErrNotExist) {
			return nil, hint.Wrap(err, again)
		} else if err != nil {
			return nil, err
		}
		if r.Journal, err = search.ReadJournal(filepath.Join(dir, name, search.JournalFile)); err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// Write compares the searches of a directory, which have all ended, and writes
// pareto.json.
func Write(dir string) (*Set, error) {
	runs, err := Open(dir)
	if err != nil {
		return nil, err
	}
	s, err := New(runs)
	if err != nil {
		return nil, err
	}
	text, err := s.Encode()
	if err != nil {
		return nil, err
	}
	return s, atomicfile.Write(filepath.Join(dir, ParetoFile), text, 0o644)
}

// Verification holds what Verify checked.
type Verification struct {
	Set  *Set
	Runs []*search.Verification // in the order of Set.Anchors
}

// Verify recomputes every search of a directory from its journal, and pareto.json
// from them, byte for byte.
func Verify(dir string) (*Verification, error) {
	path := filepath.Join(dir, ParetoFile)
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(fmt.Errorf("not all searches have ended: %w", err), again)
	} else if err != nil {
		return nil, err
	}
	v := &Verification{}
	if v.Set, err = Decode(path, want); err != nil {
		return nil, err
	}
	runs, err := Open(dir)
	if err != nil {
		return nil, err
	}
	s, err := New(runs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	got, err := s.Encode()
	if err != nil {
		return nil, err
	}
	if line, _ := strictjson.Difference(want, got); line > 0 {
		return nil, hint.Wrap(fmt.Errorf("%s:%d: the searches beside it give something else", path, line), "run the same command again if one was continued since")
	}
	for _, r := range runs {
		member := filepath.Join(dir, r.Name)
		one, err := search.Verify(member, func(h search.Header) (search.Problem, error) { return search.OpenRun(member, h) })
		if err != nil {
			return nil, err
		}
		v.Runs = append(v.Runs, one)
	}
	return v, nil
}

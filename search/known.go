package search

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/space"
)

// knownFile is the copy of an earlier search's journal in a run directory.
const knownFile = "known.jsonl"

// AttachKnown has the exploration start from the evaluations of an earlier search:
// its run directory or its journal. Space and evaluator must be the same; Attach
// comes first.
func (o *Opened) AttachKnown(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, JournalFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return hint.Wrap(err, "--evaluations takes the run directory of an earlier search, or its journal")
	}
	o.Header.Known = &FileRef{Name: filepath.Base(filepath.Dir(path)), SHA256: hexSum(data), File: knownFile}
	o.Problem.Known, err = known(path, data, &o.Header)
	o.files = append(o.files, input{knownFile, data})
	return err
}

// known reads the full-fidelity evaluations of a journal.
func known(path string, data []byte, h *Header) ([]explore.Evaluation, error) {
	j, err := DecodeJournal(path, data)
	if err != nil {
		return nil, err
	}
	switch {
	case j.Header.Space.SHA256 != h.Space.SHA256:
		return nil, fmt.Errorf("%s: evaluations in space %s (%.12s…), not in %s (%.12s…)", path, j.Header.Space.Name, j.Header.Space.SHA256, h.Space.Name, h.Space.SHA256)
	case j.Header.Evaluator != h.Evaluator:
		return nil, hint.Wrap(fmt.Errorf("%s: evaluations by %s (%.12s…), not by %s (%.12s…)", path, j.Header.Evaluator.Spec, j.Header.Evaluator.SHA256, h.Evaluator.Spec, h.Evaluator.SHA256),
			"utilities of different evaluators cannot be compared")
	case j.Header.Settings.PerDevice != h.Settings.PerDevice:
		return nil, fmt.Errorf("%s: its precisions are per device in one of the two searches", path)
	}
	for _, e := range j.Entries {
		if e.Kind == EntryCalibrate {
			return nil, fmt.Errorf("%s: the evaluator %s has a scale of its own in every search: its utilities cannot be taken over", path, j.Header.Evaluator.Spec)
		}
	}
	var out []explore.Evaluation
	for _, e := range j.Entries {
		if e.Kind != EntryEval && e.Kind != EntryFail || e.Stream != StreamSearch {
			continue
		}
		a, err := space.ParseArch(e.Arch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		v := explore.Evaluation{Arch: a, Failed: e.Kind == EntryFail}
		if !v.Failed {
			v.Utility = *e.Utility
		}
		out = append(out, v)
	}
	return out, nil
}

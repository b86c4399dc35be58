package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/space"
)

// Verification is what Verify checked.
type Verification struct {
	Certificate *Certificate
	Entries     int // journal lines
	Outcomes    int // evaluations the search used
	Unused      int // evaluations of a batch that was never completed
}

// Verify recomputes a run directory: the journal's chain, every decision, every
// bound and the certificate, byte for byte, from the journalled outcomes alone.
// open builds the problem a header describes, from the copies of its inputs;
// it must check their hashes.
func Verify(dir string, open func(h Header) (Problem, error)) (*Verification, error) {
	path := filepath.Join(dir, JournalFile)
	j, err := ReadJournal(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, hint.Wrap(err, "name the folder a search wrote with -o")
	} else if err != nil {
		return nil, err
	}
	if j.Torn {
		return nil, hint.Wrap(fmt.Errorf("%s: the last line is torn", path), "run the search again: it goes on where it was killed")
	}
	want, err := os.ReadFile(filepath.Join(dir, CertificateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, hint.Wrap(err, "the search has not finished: run it again")
	} else if err != nil {
		return nil, err
	}
	stored, err := DecodeCertificate(filepath.Join(dir, CertificateFile), want)
	if err != nil {
		return nil, err
	}
	p, err := open(j.Header)
	if err != nil {
		return nil, err
	}
	if err := checkBudgets(p, j.Header); err != nil {
		return nil, fmt.Errorf("%s:1: %w", path, err)
	}
	t := newTape(j)
	ask := func(_ context.Context, reqs []Request) ([]Outcome, error) {
		out := make([]Outcome, len(reqs))
		for i, q := range reqs {
			o, ok, err := t.find(q)
			if err != nil {
				return nil, err
			}
			if !ok {
				t.pending = reqs
				// The journal's own last word on why it ended; it wraps ErrStop's text.
				return nil, stopped{t.end}
			}
			out[i] = o
		}
		for i, q := range reqs {
			t.take(q, out[i])
		}
		return out, nil
	}
	var asked string // an architecture whose measurement was interrupted
	if measured(j.Header) {
		p.Admit = func(_ context.Context, a space.Arch) (string, error) {
			if len(t.unmeasured(j.Header, a.Key())) > 0 {
				asked = a.Key()
				return "", stopped{t.end}
			}
			return refusal(j.Header, t.measured(a.Key(), len(j.Header.Tables))), nil
		}
	}
	emit := func(e Event) {
		entry, ok := eventEntry(e)
		if !ok {
			return
		}
		known, err := t.decision(entry)
		if err == nil && !known {
			err = fmt.Errorf("journal: the search decides %s of %s, which is not written down", entry.Kind, entry.To)
		}
		if err != nil && t.err == nil {
			t.err = err
		}
	}
	res, err := Search(context.Background(), p, j.Header.Settings, ask, emit)
	if err == nil {
		err = t.err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if t.played != len(t.decisions) {
		return nil, fmt.Errorf("%s: %d steps are written down that the search does not take", path, len(t.decisions)-t.played)
	}
	if t.end != res.Stop {
		return nil, fmt.Errorf("%s: it says the search ended with %q, and it ends with %q", path, t.end, res.Stop)
	}
	pendingSearch := t.pending
	fidelity, err := audit(context.Background(), p, j.Header, res, t, ask)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	v := &Verification{Entries: len(j.Entries), Outcomes: t.taken}
	pending := map[sampleID]bool{}
	for _, q := range pendingSearch {
		pending[sampleID{q.Key, q.Stream, q.Index}] = true
	}
	for id := range t.outcomes {
		if !t.consumed[id] {
			// Final utilities of neighbours that a continued search has left behind, or of
			// an audit that was interrupted, are nobody's.
			if !pending[id] && !(id.stream == StreamFinal && j.Header.Final != nil) {
				return nil, fmt.Errorf("%s: sample %d of %s (%s) is written down but the search never asked for it", path, id.index, id.arch, id.stream)
			}
			v.Unused++
		}
	}
	for id := range t.measures {
		on := id.arch == asked || slices.ContainsFunc(res.Path, func(v Visited) bool { return v.Key == id.arch })
		if !on || id.table >= len(j.Header.Tables) || !j.Header.Tables[id.table].Measured {
			return nil, fmt.Errorf("%s: a measurement of %s for table %d, which the search did not ask for", path, id.arch, id.table)
		}
	}
	cert := NewCertificate(j.Header, res, fidelity, t.ledger(), t.state, t.measuredPath(res.Path, len(j.Header.Tables)))
	got, err := cert.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(got, want) {
		n := 0
		for n < len(got) && n < len(want) && got[n] == want[n] {
			n++
		}
		line := 1 + bytes.Count(want[:n], []byte{'\n'})
		return nil, fmt.Errorf("%s:%d: the certificate says %s, recomputed it is %s", filepath.Join(dir, CertificateFile), line, lineAt(want, n), lineAt(got, n))
	}
	best, err := bestFiles(p.Space, cert)
	if err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(best) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(got, best[name]) {
			return nil, fmt.Errorf("%s is not the certificate's final architecture", filepath.Join(dir, name))
		}
	}
	v.Certificate = stored
	return v, nil
}

// stopped is ErrStop with the words it was stopped with.
type stopped struct{ why string }

func (s stopped) Error() string { return s.why }
func (s stopped) Unwrap() error { return ErrStop }

// checkBudgets says whether the header's budgets are the anchor's costs.
func checkBudgets(p Problem, h Header) error {
	if len(p.Bands) != len(h.Tables) {
		return fmt.Errorf("%d bands for %d tables", len(p.Bands), len(h.Tables))
	}
	if p.Anchor.Key() != h.Anchor {
		return fmt.Errorf("anchor is %s, not %s", p.Anchor.Key(), h.Anchor)
	}
	for i, b := range p.Bands {
		if b.Budget != h.Tables[i].Budget {
			return fmt.Errorf("table %s: the anchor costs %v, the header says %v", h.Tables[i].Name, b.Budget, h.Tables[i].Budget)
		}
	}
	return nil
}

// lineAt is the line of text that holds byte n, trimmed.
func lineAt(text []byte, n int) string {
	n = min(n, len(text))
	from := bytes.LastIndexByte(text[:n], '\n') + 1
	to := bytes.IndexByte(text[n:], '\n')
	if to < 0 {
		to = len(text) - n
	}
	return string(bytes.TrimSpace(text[from : n+to]))
}

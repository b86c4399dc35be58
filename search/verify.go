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

// Verification holds what Verify checked.
type Verification struct {
	Certificate *Certificate
	Entries     int // journal lines
	Outcomes    int // evaluations the search used
	Unused      int // evaluations of a batch that was never completed
	Records     int // measurements whose record file is there and is the one
}

// Verify recomputes a run directory: the journal's chain, every decision, every
// bound and the certificate, byte for byte, from the journalled outcomes alone.
// open builds the problem a header describes, from the copies of its inputs;
// it must check their hashes.
func Verify(dir string, open func(h Header) (Problem, error)) (*Verification, error) {
	path := filepath.Join(dir, JournalFile)
	j, err := finishedJournal(path)
	if err != nil {
		return nil, err
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
	r := &replay{tape: newTape(j), header: j.Header}
	cert, err := r.certificate(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := checkCertificate(filepath.Join(dir, CertificateFile), want, cert); err != nil {
		return nil, err
	}
	if err := checkBest(dir, p, cert); err != nil {
		return nil, err
	}
	records, err := r.checkRecords(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Verification{Certificate: stored, Entries: len(j.Entries), Outcomes: r.taken, Unused: r.unused, Records: records}, nil
}

// finishedJournal reads the journal of a search that was not killed.
func finishedJournal(path string) (*Journal, error) {
	j, err := ReadJournal(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, hint.Wrap(err, "name the folder a search wrote with -o")
	} else if err != nil {
		return nil, err
	}
	if j.Torn {
		return nil, hint.Wrap(fmt.Errorf("%s: the last line is torn", path), "run the search again: it goes on where it was killed")
	}
	return j, nil
}

// replay is a search whose answers are the journal's.
type replay struct {
	*tape
	header Header
	asked  string // an architecture whose measurement was interrupted
	unused int    // outcomes that nobody asked for in the end
}

// certificate searches again and makes the certificate of it. Every step of the search
// must be in the journal, and everything in the journal must have been asked for.
func (r *replay) certificate(p Problem) (*Certificate, error) {
	if measured(r.header) {
		p.Admit = r.admit
	}
	res, err := Search(context.Background(), p, r.header.rules(), r.answer, r.decided)
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, err
	}
	if r.played != len(r.decisions) {
		return nil, fmt.Errorf("%d steps are written down that the search does not take", len(r.decisions)-r.played)
	}
	if r.end != string(res.Stop) {
		return nil, fmt.Errorf("it says the search ended with %q, and it ends with %q", r.end, res.Stop)
	}
	pending := r.pending // of the search, not of the audit
	fidelity, err := audit(context.Background(), p, r.header, res, r.tape, r.answer)
	if err != nil {
		return nil, err
	}
	if err := r.checkUnused(pending); err != nil {
		return nil, err
	}
	if err := r.checkMeasures(res.Path); err != nil {
		return nil, err
	}
	return NewCertificate(r.header, res, fidelity, r.ledger(), r.state, r.measuredPath(res.Path, len(r.header.Tables))), nil
}

// answer gives the journal's outcomes.
func (r *replay) answer(_ context.Context, reqs []Request) ([]Outcome, error) {
	out := make([]Outcome, len(reqs))
	for i, q := range reqs {
		o, ok, err := r.find(q)
		if err != nil {
			return nil, err
		}
		if !ok {
			r.pending = reqs
			// The journal's own last word on why it ended; it wraps ErrStop's text.
			return nil, stopped{r.end}
		}
		out[i] = o
	}
	for i, q := range reqs {
		r.take(q, out[i])
	}
	return out, nil
}

// admit judges by the journal's measurements.
func (r *replay) admit(_ context.Context, a space.Arch) (string, error) {
	if len(r.unmeasured(r.header, a.Key())) > 0 {
		r.asked = a.Key()
		return "", stopped{r.end}
	}
	return refusal(r.header, r.tape.measured(a.Key(), len(r.header.Tables))), nil
}

// decided holds a step of the search against the journal's next.
func (r *replay) decided(e Event) {
	entry, ok := eventEntry(e)
	if !ok {
		return
	}
	known, err := r.decision(entry)
	if err == nil && !known {
		err = fmt.Errorf("journal: the search decides %s of %s, which is not written down", entry.Kind, entry.To)
	}
	if err != nil && r.err == nil {
		r.err = err
	}
}

// checkUnused counts the outcomes that were not consumed: a batch's that was never
// completed, or final utilities.
func (r *replay) checkUnused(batch []Request) error {
	pending := map[sampleID]bool{}
	for _, q := range batch {
		pending[sampleID{q.Key, q.Stream, q.Index}] = true
	}
	for in, s := range r.samples {
		for e := range s.unconsumed() {
			// Final utilities of neighbours that a continued search has left behind, or of
			// an audit that was interrupted, are nobody's.
			if !pending[sampleID{in.arch, in.stream, *e.Index}] && !(in.stream == StreamFinal && r.header.Final != nil) {
				return fmt.Errorf("sample %d of %s (%s) is written down but the search never asked for it", *e.Index, in.arch, in.stream)
			}
			r.unused++
		}
	}
	return nil
}

// checkMeasures says whether every measurement is one that the search asked for.
func (r *replay) checkMeasures(path []Visited) error {
	for id := range r.measures {
		on := id.arch == r.asked || slices.ContainsFunc(path, func(v Visited) bool { return v.Key == id.arch })
		if !on || id.table >= len(r.header.Tables) || !r.header.Tables[id.table].Measured {
			return fmt.Errorf("a measurement of %s for table %d, which the search did not ask for", id.arch, id.table)
		}
	}
	return nil
}

// checkCertificate holds the stored bytes against the recomputed certificate.
func checkCertificate(path string, stored []byte, cert *Certificate) error {
	got, err := cert.Encode()
	if err != nil || bytes.Equal(got, stored) {
		return err
	}
	n := 0
	for n < len(got) && n < len(stored) && got[n] == stored[n] {
		n++
	}
	line := 1 + bytes.Count(stored[:n], []byte{'\n'})
	return fmt.Errorf("%s:%d: the certificate says %s, recomputed it is %s", path, line, lineAt(stored, n), lineAt(got, n))
}

// checkBest holds the files of the final architecture against the certificate.
func checkBest(dir string, p Problem, cert *Certificate) error {
	best, err := bestFiles(p.Space, cert)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(best) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, best[name]) {
			return fmt.Errorf("%s is not the certificate's final architecture", filepath.Join(dir, name))
		}
	}
	return nil
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

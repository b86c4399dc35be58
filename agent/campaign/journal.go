package campaign

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filelock"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// journal is a record file and what it says so far. Everything the campaign
// decides is a function of it, so that a resumed campaign decides the same.
type journal struct {
	path        string // "" in memory
	size, whole int64  // bytes of the file when it was read, and of its whole lines
	log         *atomicfile.Log
	chain       record.Chain // of the file's lines
	lock        io.Closer

	header   record.Header
	groups   []record.Group
	opens    map[string]*record.Open
	faults   map[string]*record.Fault // final ones
	strikes  map[string]int
	visits   map[int][]*record.Visit  // by group, in order
	taken    map[[2]int]map[int]bool  // of open rounds: the visits taken, by group and round and seq
	latest   map[modelInGroup]float64 // the last sample of the last visit, in microseconds
	rounds   map[[2]int]*record.Round
	closed   map[int]int // rounds of a group that are over
	checks   map[string]*record.Check
	recorded map[string]*record.Record
	end      *record.End
	open     *record.Start // started and, by the file, not finished
	deviceS  float64
	still    record.Still
	closedS  float64 // device seconds when the last round was closed
	// By group: device seconds when its last round was closed, and what that round and the
	// longest took; stillIn is the time for which the program had not run until then.
	closedIn, lastRound, longest, stillIn map[int]float64
	resumed                               bool
}

// modelInGroup names a model within a group.
type modelInGroup struct {
	group int
	model string
}

func newJournal() *journal {
	return &journal{
		opens: map[string]*record.Open{}, faults: map[string]*record.Fault{}, strikes: map[string]int{},
		visits: map[int][]*record.Visit{}, taken: map[[2]int]map[int]bool{}, rounds: map[[2]int]*record.Round{},
		checks: map[string]*record.Check{}, recorded: map[string]*record.Record{}, latest: map[modelInGroup]float64{}, closed: map[int]int{},
		closedIn: map[int]float64{}, lastRound: map[int]float64{}, longest: map[int]float64{}, stillIn: map[int]float64{},
	}
}

// readJournal reads what the record file at path says so far, once; a file that is not
// there, or is nothing but a header that a crash cut off, says nothing. Path "" keeps the
// journal in memory.
func readJournal(path string) (*journal, error) {
	j := newJournal()
	j.path = path
	if path == "" {
		return j, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (len(data) == 0 || tornHeader(data)) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	f, err := record.Decode(path, data)
	if err != nil {
		return nil, err
	}
	j.header, j.chain, j.resumed = f.Header, f.Chain, true
	j.size, j.whole = int64(len(data)), int64(len(data)-len(f.Torn))
	for _, e := range f.Journal {
		j.apply(e.Line)
	}
	for _, e := range f.Records {
		j.apply(e.Line)
	}
	return j, nil
}

// begin opens the record file for writing: it goes on where it was read to, or begins
// with header. A file of another plan, protocol, device or library is refused untouched.
func (j *journal) begin(header record.Header) error {
	if !j.resumed {
		j.header = header
	} else if err := sameCampaign(j.path, j.header, header); err != nil {
		return err
	}
	if j.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o777); err != nil {
		return fmt.Errorf("open records: %w", err)
	}
	lock, err := filelock.Lock(j.path)
	if err != nil {
		err = fmt.Errorf("open records %s: %w", j.path, err)
		if held := (*fs.PathError)(nil); errors.As(err, &held) && held.Op == "lock" {
			err = hint.Wrap(err, "another agent bench is writing there; wait for it or give another -o")
		}
		return err
	}
	j.lock = lock
	const meanwhile = "another agent bench wrote there; run the same command again"
	if j.resumed {
		if j.log, err = atomicfile.ContinueLog(j.path, j.size, j.whole); err != nil {
			return hint.Wrap(fmt.Errorf("open records: %w", err), meanwhile)
		}
		return nil
	}
	var whole []byte
	if j.log, whole, _, err = atomicfile.OpenLog(j.path); err != nil {
		return fmt.Errorf("open records: %w", err)
	}
	if len(whole) > 0 {
		return hint.Wrap(fmt.Errorf("open records: %s was empty and is not any more", j.path), meanwhile)
	}
	line, err := record.EncodeHeader(header)
	if err == nil {
		err = j.log.Append(j.chain.Seal(line))
	}
	if err != nil {
		return fmt.Errorf("begin records: %w", err)
	}
	return nil
}

// tornHeader reports whether data is a part of a header line and nothing else.
func tornHeader(data []byte) bool {
	const head = `{"format":"isocost/records/v`
	for _, b := range data {
		if b == '\n' {
			return false
		}
	}
	n := min(len(data), len(head))
	return string(data[:n]) == head[:n]
}

// sameCampaign compares what must be equal for records to share a file.
func sameCampaign(path string, have, want record.Header) error {
	features := have.Runtime.Features
	if have.Runtime.SameFeatures(want.Runtime) {
		features = want.Runtime.Features
	}
	for _, f := range []struct{ what, have, want string }{
		{"plan", have.Plan, want.Plan},
		{"protocol", have.Protocol.SHA256, want.Protocol.SHA256},
		{"device", have.Device.ID, want.Device.ID},
		{"core set", have.Device.Cores, want.Device.Cores},
		{"backend", have.Runtime.Backend, want.Runtime.Backend},
		{"provider", have.Runtime.Provider, want.Runtime.Provider},
		{"set of provider options", have.Runtime.Options, want.Runtime.Options},
		{"set of library features", features, want.Runtime.Features},
		{"runtime library", have.Runtime.SHA256, want.Runtime.SHA256},
	} {
		if f.have != f.want {
			return hint.Wrap(fmt.Errorf("%s:1: the file holds another %s (%s there, %s here); costs of two do not mix",
				path, f.what, brief(f.have), brief(f.want)), "give another -o, or move %s away", path)
		}
	}
	return nil
}

// brief is a value in an error: of a hash the beginning, of what is read the whole.
func brief(value string) string {
	if len(value) == 2*sha256.Size && !strings.Contains(value, " ") {
		return value[:12] + "…"
	}
	return cmp.Or(value, "none stated")
}

// write appends lines with one sync and applies them.
func (j *journal) write(lines ...record.Line) error {
	var texts [][]byte
	for _, l := range lines {
		text, err := record.EncodeLine(l)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		texts = append(texts, j.chain.Seal(text))
	}
	if j.log != nil {
		if err := j.log.AppendLines(texts...); err != nil {
			return hint.Wrap(fmt.Errorf("journal: %w", err), "what was measured before is kept: make room, and the same command goes on")
		}
	}
	for _, l := range lines {
		j.apply(l)
	}
	return nil
}

// apply takes one line into account.
func (j *journal) apply(l record.Line) {
	j.still.Take(l)
	switch {
	case l.Group != nil:
		j.groups = append(j.groups, *l.Group)
		j.open = nil
	case l.Start != nil:
		j.open = l.Start
	case l.Open != nil:
		j.opens[l.Open.Model] = l.Open
	case l.Visit != nil:
		v := l.Visit
		j.visits[v.Group] = append(j.visits[v.Group], v)
		round := [2]int{v.Group, v.Round}
		if j.taken[round] == nil {
			j.taken[round] = map[int]bool{}
		}
		j.taken[round][v.Seq] = true
		j.latest[modelInGroup{v.Group, v.Model}] = v.US[len(v.US)-1]
		j.deviceS = max(j.deviceS, v.AtS)
		j.open = nil
	case l.Round != nil:
		g := l.Round.Group
		j.rounds[[2]int{g, l.Round.Index}] = l.Round
		delete(j.taken, [2]int{g, l.Round.Index})
		for j.rounds[[2]int{g, j.closed[g]}] != nil {
			j.closed[g]++
		}
		j.deviceS = max(j.deviceS, l.Round.DeviceS)
		// A group's first round comes after its models were opened: what it took is not known.
		if before, ok := j.closedIn[g]; ok {
			j.lastRound[g] = l.Round.DeviceS - before - (j.still.S - j.stillIn[g])
			j.longest[g] = max(j.longest[g], j.lastRound[g])
		}
		j.closedIn[g], j.closedS, j.stillIn[g] = l.Round.DeviceS, l.Round.DeviceS, j.still.S
		j.open = nil
	case l.Fault != nil:
		j.strikes[l.Fault.Model]++
		if l.Fault.Final {
			j.faults[l.Fault.Model] = l.Fault
		}
		j.open = nil
	case l.Check != nil:
		j.checks[l.Check.Model] = l.Check
	case l.Record != nil:
		j.recorded[l.Record.Case] = l.Record
	case l.End != nil:
		j.end = l.End
	}
}

// repeat is the model's frozen repeat count, 1 when it was never opened.
func (j *journal) repeat(model string) int {
	if o := j.opens[model]; o != nil {
		return o.Repeat
	}
	return 1
}

// roundsClosed counts the rounds of a group that are over.
func (j *journal) roundsClosed(group int) int {
	return j.closed[group]
}

// Close releases the file.
func (j *journal) Close() error {
	var errs []error
	if j.log != nil {
		errs = append(errs, j.log.Close())
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return errors.Join(errs...)
}

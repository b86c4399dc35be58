package campaign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filelock"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// journal is a record file and what it says so far. Everything the campaign
// decides is a function of it, so that a resumed campaign decides alike.
type journal struct {
	log  *atomicfile.Log
	lock io.Closer

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
	open     *record.Start // started and, as far as the file says, not finished
	deviceS  float64
	closedS  float64 // device seconds when the last round was closed
	torn     bool
	resumed  bool
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
	}
}

// openJournal opens the record file at path, or begins it with header. A file of
// another plan, protocol, device or library is refused untouched. Path "" keeps
// the journal in memory.
func openJournal(path string, header record.Header) (*journal, error) {
	j := newJournal()
	j.header = header
	if path == "" {
		return j, nil
	}
	data, err := os.ReadFile(path)
	fresh := errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0
	if err != nil && !fresh {
		return nil, fmt.Errorf("open records: %w", err)
	}
	// A header that a crash cut off holds nothing worth keeping, if it is ours.
	if err == nil && !fresh && tornHeader(data) {
		fresh = true
	}
	if !fresh {
		f, err := record.Decode(path, data)
		if err != nil {
			return nil, err
		}
		if err := sameCampaign(path, f.Header, header); err != nil {
			return nil, err
		}
		j.header, j.torn, j.resumed = f.Header, len(f.Torn) > 0, true
		for _, e := range f.Journal {
			j.apply(e.Line)
		}
		for _, e := range f.Records {
			j.apply(e.Line)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	if j.lock, err = filelock.Lock(path); err != nil {
		err = fmt.Errorf("open records %s: %w", path, err)
		if held := (*fs.PathError)(nil); errors.As(err, &held) && held.Op == "lock" {
			err = hint.Wrap(err, "another agent bench is writing there; wait for it or give another -o")
		}
		return nil, err
	}
	if j.log, _, _, err = atomicfile.OpenLog(path); err != nil {
		j.lock.Close()
		return nil, fmt.Errorf("open records: %w", err)
	}
	if fresh {
		line, err := record.EncodeHeader(header)
		if err == nil {
			err = j.log.Append(line)
		}
		if err != nil {
			j.Close()
			return nil, fmt.Errorf("begin records: %w", err)
		}
	}
	return j, nil
}

// elapsedIn is the device time a record file has come to; 0 when there is none,
// or none that can be read – opening it properly will say why.
func elapsedIn(path string) float64 {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return 0
	}
	f, err := record.Decode(path, data)
	if err != nil {
		return 0
	}
	j := newJournal()
	for _, e := range f.Journal {
		j.apply(e.Line)
	}
	return j.deviceS
}

// tornHeader reports whether data is a part of a header line and nothing else.
func tornHeader(data []byte) bool {
	const head = `{"format":"` + record.Format
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
	for _, f := range []struct{ what, have, want string }{
		{"plan", have.Plan, want.Plan},
		{"protocol", have.Protocol.SHA256, want.Protocol.SHA256},
		{"device", have.Device.ID, want.Device.ID},
		{"core set", have.Device.Cores, want.Device.Cores},
		{"backend", have.Runtime.Backend, want.Runtime.Backend},
		{"provider", have.Runtime.Provider, want.Runtime.Provider},
		{"set of provider options", have.Runtime.Options, want.Runtime.Options},
		{"set of library features", have.Runtime.Features, want.Runtime.Features},
		{"runtime library", have.Runtime.SHA256, want.Runtime.SHA256},
	} {
		if f.have != f.want {
			return hint.Wrap(fmt.Errorf("%s:1: the file holds another %s (%.12s… there, %.12s… here); costs of two do not mix",
				path, f.what, f.have, f.want), "give another -o, or move %s away", path)
		}
	}
	return nil
}

// write appends lines with one sync and applies them.
func (j *journal) write(lines ...record.Line) error {
	var texts [][]byte
	for _, l := range lines {
		text, err := record.EncodeLine(l)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		texts = append(texts, text)
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
		j.closedS = l.Round.DeviceS
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

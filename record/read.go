package record

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// File is a record file as read.
type File struct {
	Path    string
	Header  Header
	Records []Entry
	Journal []Entry // everything else, in order
	End     *End    // nil while the campaign is unfinished
	// Torn is a last line that a crash cut off; it is not part of the file.
	Torn []byte
	// Chain goes on where the file's last whole line ended.
	Chain Chain
}

// Entry is a line and where it stands.
type Entry struct {
	Row int // 1-based line number
	Line
}

// Read reads record files. Each error names file:line and carries a hint.
// Torn last lines are tolerated (File.Torn): the log is append-only, and resuming
// the campaign cuts them off.
func Read(paths ...string) ([]*File, error) { return ReadContext(context.Background(), paths...) }

// ReadContext is Read, which fails by ctx's error, within a moment, when that ends.
func ReadContext(ctx context.Context, paths ...string) ([]*File, error) {
	var files []*File
	for _, p := range paths {
		l, err := OpenLog(ctx, p)
		if err != nil {
			return nil, err
		}
		f, err := l.file()
		l.Close()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// Decode reads one record file's content; name stands for the file in errors.
// Of FormatV1 the lines behind the header may stand in any order: each says which round or
// case it is of. That none is lost, the sums say, and the end, which counts the cases.
func Decode(name string, data []byte) (*File, error) {
	l, err := newLog(context.Background(), name, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return l.file()
}

// file reads all of a log into memory.
func (l *Log) file() (*File, error) {
	f := &File{Path: l.d.name, Header: l.d.header}
	for {
		e, err := l.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if e.Record != nil {
			f.Records = append(f.Records, e)
		} else {
			f.Journal = append(f.Journal, e)
		}
	}
	f.End, f.Torn, f.Chain = l.d.end, l.torn, l.d.chain
	return f, nil
}

// decoder reads the lines of one record file.
type decoder struct {
	name   string
	header Header
	chain  Chain
	cases  map[string]int // the line of each case's record
	visits map[[3]int]int
	names  map[string]string // texts that come again and again
	object []byte            // scratch
	end    *End
	endRow int // the line that ends the campaign
}

func newDecoder(name string) *decoder {
	return &decoder{name: name, cases: map[string]int{}, visits: map[[3]int]int{}, names: map[string]string{}}
}

// first reads the first line.
func (d *decoder) first(line []byte) error {
	if bytes.HasSuffix(line, []byte{'\r'}) {
		return hint.Wrap(fmt.Errorf("%s:1: lines end in CR LF: something rewrote the file as text of Windows", d.name),
			"copy it as binary, or strip the CRs: tr -d '\\r'")
	}
	switch {
	case bytes.HasPrefix(line, []byte(`{"format":"`+Format+`"`)):
	case bytes.HasPrefix(line, []byte(`{"format":"`+FormatV1+`"`)):
		d.chain.Plain = true
	default:
		return hint.Wrap(fmt.Errorf("%s:1: not a record file: the first line has no format %q", d.name, Format),
			"agent bench -o FILE writes record files")
	}
	at := func(err error) error {
		return hint.Wrap(fmt.Errorf("%s:1: header: %w", d.name, err), "%s", orElse(hint.Of(err), cureOfDamage(d.name)))
	}
	object, err := d.chain.open(line, nil)
	if err != nil {
		return at(err)
	}
	if err := strictjson.Known(object, &d.header); err != nil {
		return at(err)
	}
	if err := d.header.Validate(); err != nil {
		return at(err)
	}
	if err := canonical(object, d.header); err != nil {
		return at(err)
	}
	return nil
}

// line reads the n-th line.
func (d *decoder) line(n int, line []byte) (Entry, error) {
	e := Entry{Row: n}
	object, err := d.chain.open(line, d.object)
	if err != nil {
		return e, err
	}
	if !d.chain.Plain {
		d.object = object
	}
	if err := d.parse(object, &e.Line); err != nil {
		return e, err
	}
	switch {
	case e.Record != nil:
		if first := d.cases[e.Record.Case]; first > 0 {
			return e, fmt.Errorf("case %s has a record already, on line %d", e.Record.Case, first)
		}
		d.cases[e.Record.Case] = n
	case e.Visit != nil:
		id := [3]int{e.Visit.Group, e.Visit.Round, e.Visit.Seq}
		if first := d.visits[id]; first > 0 {
			return e, fmt.Errorf("visit %d of round %d was taken already, on line %d", id[2], id[1], first)
		}
		d.visits[id] = n
	case e.End != nil:
		if d.end != nil {
			return e, fmt.Errorf("the campaign ended already, on line %d", d.endRow)
		}
		d.end, d.endRow = e.End, n
	}
	return e, nil
}

// cureOfDamage says what to do about a file that was changed.
func cureOfDamage(name string) string {
	return fmt.Sprintf("the file was changed or damaged: agent records --recover %s -o FILE keeps what is whole, or measure again into a new one", name)
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// canonical refuses a line that Encode would have written otherwise, so that
// equal campaigns are equal bytes.
func canonical(line []byte, v any) error {
	want, err := marshal(v)
	if err != nil {
		return err
	}
	return strictjson.Canonical(line, want)
}

package record

import (
	"bytes"
	"context"
	"fmt"
	"os"

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
		data, err := os.ReadFile(p)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("read records: %w", err), "agent bench -o %s writes them", p)
		}
		f, err := decode(ctx, p, data)
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
	return decode(context.Background(), name, data)
}

// betweenLooks is how many lines, some milliseconds' worth, are read between two looks at the context.
const betweenLooks = 1024

func decode(ctx context.Context, name string, data []byte) (*File, error) {
	d := newDecoder(name)
	f := d.f
	whole := bytes.LastIndexByte(data, '\n') + 1
	f.Torn = data[whole:]
	if len(f.Torn) == 0 {
		f.Torn = nil
	}
	data = data[:whole]
	if len(data) == 0 {
		return nil, hint.Wrap(fmt.Errorf("%s:1: no header: the file is empty or its only line is cut off", name),
			"delete it and run agent bench again")
	}
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if n%betweenLooks == 1 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		if n == 1 {
			if err := d.header(line); err != nil {
				return nil, err
			}
			continue
		}
		if bytes.HasPrefix(line, []byte(`{"format":`)) {
			return nil, hint.Wrap(fmt.Errorf("%s:%d: a second header: several files run together", name, n),
				"name them one by one; costgen compile takes any number of files")
		}
		if _, err := d.line(n, line); err != nil {
			return nil, hint.Wrap(fmt.Errorf("%s:%d: %w", name, n, err), "%s", orElse(hint.Of(err), cureOfDamage(name)))
		}
	}
	if f.End != nil && f.End.Cases != len(f.Records) {
		return nil, hint.Wrap(fmt.Errorf("%s:%d: the campaign ended with %d cases, and the file holds the records of %d", name, d.end, f.End.Cases, len(f.Records)),
			"%s", cureOfDamage(name))
	}
	f.Chain = d.chain
	return f, nil
}

// decoder reads the lines of one record file.
type decoder struct {
	name   string
	chain  Chain
	f      *File
	cases  map[string]int
	visits map[[3]int]int
	names  map[string]string // texts that come again and again
	object []byte            // scratch
	end    int               // the line that ends the campaign
}

func newDecoder(name string) *decoder {
	return &decoder{name: name, f: &File{Path: name}, cases: map[string]int{}, visits: map[[3]int]int{}, names: map[string]string{}}
}

// header reads the first line.
func (d *decoder) header(line []byte) error {
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
	if err := strictjson.Known(object, &d.f.Header); err != nil {
		return at(err)
	}
	if err := d.f.Header.Validate(); err != nil {
		return at(err)
	}
	if err := canonical(object, d.f.Header); err != nil {
		return at(err)
	}
	return nil
}

// line reads the n-th line and takes it into the file.
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
		d.f.Records = append(d.f.Records, e)
		return e, nil
	case e.Visit != nil:
		id := [3]int{e.Visit.Group, e.Visit.Round, e.Visit.Seq}
		if first := d.visits[id]; first > 0 {
			return e, fmt.Errorf("visit %d of round %d was taken already, on line %d", id[2], id[1], first)
		}
		d.visits[id] = n
	case e.End != nil:
		if d.f.End != nil {
			return e, fmt.Errorf("the campaign ended already, on line %d", d.end)
		}
		d.f.End, d.end = e.End, n
	}
	d.f.Journal = append(d.f.Journal, e)
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

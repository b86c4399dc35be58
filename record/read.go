package record

import (
	"bytes"
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
}

// Entry is a line and where it stands.
type Entry struct {
	Row int // 1-based line number
	Line
}

// Read reads record files. Each error names file:line and carries a hint.
// Torn last lines are tolerated (File.Torn): the log is append-only, and resuming
// the campaign cuts them off.
func Read(paths ...string) ([]*File, error) {
	var files []*File
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("read records: %w", err), "agent bench -o %s writes them", p)
		}
		f, err := Decode(p, data)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// Decode reads one record file's content; name stands for the file in errors.
// The lines behind the header may stand in any order: each says which round or case
// it is of. That none is lost, the end says, which counts the cases.
func Decode(name string, data []byte) (*File, error) {
	f := &File{Path: name}
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
	cases := map[string]int{}
	visits := map[[3]int]int{}
	end := 0 // the line that ends the campaign
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		at := func(err error) error {
			return hint.Wrap(fmt.Errorf("%s:%d: %w", name, n, err), "%s", orElse(hint.Of(err),
				"the file was changed or damaged; measure again into a new one"))
		}
		if n == 1 {
			if bytes.HasSuffix(line, []byte{'\r'}) {
				return nil, hint.Wrap(fmt.Errorf("%s:1: lines end in CR LF: something rewrote the file as text of Windows", name),
					"copy it as binary, or strip the CRs: tr -d '\\r'")
			}
			if !bytes.HasPrefix(line, []byte(`{"format":"`+Format+`"`)) {
				return nil, hint.Wrap(fmt.Errorf("%s:1: not a record file: the first line has no format %q", name, Format),
					"agent bench -o FILE writes record files")
			}
			if err := strictjson.Known(line, &f.Header); err != nil {
				return nil, at(fmt.Errorf("header: %w", err))
			}
			if err := f.Header.Validate(); err != nil {
				return nil, at(fmt.Errorf("header: %w", err))
			}
			if err := canonical(line, f.Header); err != nil {
				return nil, at(err)
			}
			continue
		}
		if bytes.HasPrefix(line, []byte(`{"format":`)) {
			return nil, hint.Wrap(fmt.Errorf("%s:%d: a second header: several files run together", name, n),
				"name them one by one; costgen compile takes any number of files")
		}
		e := Entry{Row: n}
		if err := strictjson.Known(line, &e.Line); err != nil {
			return nil, at(err)
		}
		if err := e.Line.Validate(); err != nil {
			return nil, at(err)
		}
		if err := canonical(line, e.Line); err != nil {
			return nil, at(err)
		}
		switch {
		case e.Record != nil:
			if first := cases[e.Record.Case]; first > 0 {
				return nil, at(fmt.Errorf("case %s has a record already, on line %d", e.Record.Case, first))
			}
			cases[e.Record.Case] = n
			f.Records = append(f.Records, e)
			continue
		case e.Visit != nil:
			id := [3]int{e.Visit.Group, e.Visit.Round, e.Visit.Seq}
			if first := visits[id]; first > 0 {
				return nil, at(fmt.Errorf("visit %d of round %d was taken already, on line %d", id[2], id[1], first))
			}
			visits[id] = n
		case e.End != nil:
			if f.End != nil {
				return nil, at(fmt.Errorf("the campaign ended already, on line %d", end))
			}
			f.End, end = e.End, n
		}
		f.Journal = append(f.Journal, e)
	}
	if f.End != nil && f.End.Cases != len(f.Records) {
		return nil, hint.Wrap(fmt.Errorf("%s:%d: the campaign ended with %d cases, and the file holds the records of %d", name, end, f.End.Cases, len(f.Records)),
			"lines were taken out or added; measure again into a new file")
	}
	return f, nil
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

package record

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/hint"
)

// Damage is a line of a record file that is not what agent bench wrote.
type Damage struct {
	Row int // 1-based
	Why string
}

// Recovered holds the whole entries of a damaged record file.
type Recovered struct {
	Text    []byte // a record file again; nil when nothing was damaged
	Lines   int    // of the damaged file
	Lost    []Damage
	Records int  // kept
	Sums    bool // the file has sums
}

// Recover keeps the lines of a record file that are whole: those that fit the sums, or of
// FormatV1 those that are valid by themselves, in which a changed digit does not show. What
// is lost is told line by line, and in the new file's header. A campaign that had records
// ends with those that are left; one without goes on where it was. A damaged header is an
// error: the rest would be costs of an unknown device. check, unless nil, is what else is
// asked of a record: without sums its keys may tell what its digits do not.
func Recover(name string, data []byte, check func(*Record) error) (*Recovered, error) {
	r := &Recovered{}
	d := newDecoder(name)
	lose := func(n int, err error) { r.Lost = append(r.Lost, Damage{n, err.Error()}) }
	var lines []Line
	ended := false
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		data = rest
		r.Lines = n
		if n == 1 {
			if !whole {
				return nil, hint.Wrap(fmt.Errorf("%s:1: the header is cut off", name), "nothing can be kept: measure again")
			}
			if err := d.first(line); err != nil {
				return nil, hint.Wrap(err, "without its header nothing of a record file can be kept: measure again")
			}
			continue
		}
		if !whole {
			lose(n, fmt.Errorf("the line is cut off"))
			break
		}
		e, err := d.line(n, line)
		if err == nil && e.Record != nil && check != nil {
			if err = check(e.Record); err != nil {
				delete(d.cases, e.Record.Case)
			}
		}
		if err != nil {
			lose(n, err)
			continue
		}
		if ended = ended || e.End != nil; e.End != nil {
			continue // it counts what is there
		}
		lines = append(lines, e.Line)
	}
	records := slices.ContainsFunc(lines, func(l Line) bool { return l.Record != nil })
	if d.end != nil && d.end.Cases != len(d.cases) {
		r.Lost = append(r.Lost, Damage{r.Lines, fmt.Sprintf("the campaign ended with %d cases; %d records are there", d.end.Cases, len(d.cases))})
	} else if records && !ended && len(r.Lost) == 0 {
		lose(r.Lines, fmt.Errorf("the file ends before the campaign does"))
	}
	r.Records, r.Sums = len(d.cases), !d.chain.Plain
	if len(r.Lost) == 0 {
		return r, nil
	}
	header := d.header
	header.Format = Format
	flags := map[string]string{"recovered": fmt.Sprintf("%d of %d lines of a damaged file were lost", len(r.Lost), r.Lines)}
	for k, v := range header.Flags {
		if k != "recovered" {
			flags[k] = v
		}
	}
	header.Flags = flags
	if records {
		end := End{Cases: len(d.cases)}
		for _, l := range lines {
			switch {
			case l.Visit != nil:
				end.Visits++
				end.DeviceS = max(end.DeviceS, l.Visit.AtS)
			case l.Round != nil:
				end.DeviceS = max(end.DeviceS, l.Round.DeviceS)
			case l.Record != nil && l.Record.EstimateUS == nil:
				end.Failed++
			case l.Record != nil && !l.Record.IsOK():
				end.Flagged++
			}
		}
		lines = append(lines, Line{End: &end})
	}
	var chain Chain
	text, err := EncodeHeader(header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.Text = append(chain.Seal(text), '\n')
	for _, l := range lines {
		text, err := EncodeLine(l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.Text = append(append(r.Text, chain.Seal(text)...), '\n')
	}
	return r, nil
}

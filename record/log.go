package record

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/isocost/isocost/internal/hint"
)

// Log reads a record file line by line, and holds of it what later lines are checked
// against, not the lines: files are larger than what is made of them.
type Log struct {
	ctx    context.Context // of the one reading
	d      *decoder
	in     *bufio.Reader
	closer io.Closer // nil where there is no file
	long   []byte    // scratch for lines beyond the buffer
	row    int
	torn   []byte
}

// OpenLog opens a record file and reads its header. Next fails by ctx's error when that ends.
func OpenLog(ctx context.Context, path string) (*Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("read records: %w", err), "agent bench -o %s writes them", path)
	}
	l, err := newLog(ctx, path, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	l.closer = file
	return l, nil
}

func newLog(ctx context.Context, name string, in io.Reader) (*Log, error) {
	l := &Log{ctx: ctx, d: newDecoder(name), in: bufio.NewReaderSize(in, 1<<16)}
	line, err := l.line()
	if err != nil {
		return nil, err
	}
	if line == nil {
		return nil, hint.Wrap(fmt.Errorf("%s:1: no header: the file is empty or its only line is cut off", name),
			"delete it and run agent bench again")
	}
	return l, l.d.first(line)
}

// Header returns the file's header.
func (l *Log) Header() Header { return l.d.header }

// End returns what closes the campaign; nil where Next has not come to it.
func (l *Log) End() *End { return l.d.end }

// Close closes the file.
func (l *Log) Close() {
	if l.closer != nil {
		l.closer.Close()
	}
}

// betweenLooks is how many lines, some milliseconds' worth, are read between two looks at the context.
const betweenLooks = 1024

// line returns the next whole line without its end, good until it is called again; nil
// behind the last.
func (l *Log) line() ([]byte, error) {
	if l.row%betweenLooks == 0 {
		if err := l.ctx.Err(); err != nil {
			return nil, err
		}
	}
	l.long = l.long[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		switch {
		case err == nil:
			l.row++
			if len(l.long) > 0 {
				part = append(l.long, part...)
				l.long = part
			}
			return part[:len(part)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
			l.long = append(l.long, part...)
		case err == io.EOF:
			if rest := append(l.long, part...); len(rest) > 0 {
				l.torn = bytes.Clone(rest)
			}
			return nil, nil
		case l.row == 0:
			return nil, hint.Wrap(fmt.Errorf("read records: %w", err), "agent bench -o FILE writes files of them")
		default:
			return nil, hint.Wrap(fmt.Errorf("%s:%d: %w", l.d.name, l.row+1, err), "the medium that holds the file fails: copy it from elsewhere")
		}
	}
}

// Next returns the next line behind the header, io.EOF behind the last. Each error names
// file:line and carries a hint.
func (l *Log) Next() (Entry, error) {
	line, err := l.line()
	if err != nil {
		return Entry{}, err
	}
	d, name := l.d, l.d.name
	if line == nil {
		if d.end != nil && d.end.Cases != len(d.cases) {
			return Entry{}, hint.Wrap(fmt.Errorf("%s:%d: the campaign ended with %d cases, and the file holds the records of %d", name, d.endRow, d.end.Cases, len(d.cases)),
				"%s", cureOfDamage(name))
		}
		return Entry{}, io.EOF
	}
	if bytes.HasPrefix(line, []byte(`{"format":`)) {
		return Entry{}, hint.Wrap(fmt.Errorf("%s:%d: a second header: several files run together", name, l.row),
			"name them one by one; costgen compile takes any number of files")
	}
	e, err := d.line(l.row, line)
	if err != nil {
		return Entry{}, hint.Wrap(fmt.Errorf("%s:%d: %w", name, l.row, err), "%s", orElse(hint.Of(err), cureOfDamage(name)))
	}
	return e, nil
}

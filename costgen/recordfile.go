package costgen

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// Open opens a record file as a source. A regular file is read whenever its records are gone
// through, line by line, and not held in memory; what is wrong with it is said then.
func Open(ctx context.Context, path string) (Source, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe can be read once
		return inMemory(ctx, path)
	}
	log, err := record.OpenLog(ctx, path)
	if err != nil {
		return Source{}, err
	}
	log.Close()
	return Source{Name: path, Header: log.Header(), read: func(ctx context.Context, take func(Line)) (bool, error) {
		return readFile(ctx, path, take)
	}}, nil
}

func inMemory(ctx context.Context, path string) (Source, error) {
	files, err := record.ReadContext(ctx, path)
	if err != nil {
		return Source{}, err
	}
	s, state := FromFile(files[0]), completeness{path: path, plain: files[0].Chain.Plain}
	for i := range s.Records {
		if err := state.take(&s.Records[i]); err != nil {
			return Source{}, err
		}
	}
	return s, state.end(files[0].End)
}

// readFile goes through the records of a file and reports whether its campaign was finished.
func readFile(ctx context.Context, path string, take func(Line)) (finished bool, err error) {
	log, err := record.OpenLog(ctx, path)
	if err != nil {
		return false, err
	}
	defer log.Close()
	state := completeness{path: path, plain: log.Header().Format == record.FormatV1}
	for {
		e, err := log.Next()
		if err == io.EOF {
			return log.End() != nil, state.end(log.End())
		}
		if err != nil {
			return false, err
		}
		if e.Record == nil {
			continue
		}
		l := Line{e.Row, *e.Record}
		if err := state.take(&l); err != nil {
			return false, err
		}
		take(l)
	}
}

// completeness finds a file that was cut behind some of its records, which are written
// together with the end, or that holds a key nothing can have been measured for: a file without
// sums does not tell otherwise that it was changed.
type completeness struct {
	path    string
	plain   bool // without sums
	records int
	last    int // line
}

func (c *completeness) cure() string {
	return fmt.Sprintf("agent records --recover %s -o FILE keeps what is whole; the agent bench that wrote it writes the rest", c.path)
}

func (c *completeness) take(l *Line) error {
	c.records++
	c.last = max(c.last, l.Line)
	if !c.plain {
		return nil
	}
	ops := l.Ops
	if l.Key != nil {
		ops = append(ops[:len(ops):len(ops)], *l.Key)
	}
	for _, op := range ops {
		if err := benchmarks.Check(op); err != nil {
			return hint.Wrap(fmt.Errorf("%s:%d: record of case %s: %w: the file was changed, or is of another version", c.path, l.Line, l.Case, err), "%s", c.cure())
		}
	}
	return nil
}

func (c *completeness) end(end *record.End) error {
	if end == nil && c.records > 0 {
		return hint.Wrap(fmt.Errorf("%s:%d: the file ends before the campaign does: of its cases %d have records, and others may have had", c.path, c.last, c.records), "%s", c.cure())
	}
	return nil
}

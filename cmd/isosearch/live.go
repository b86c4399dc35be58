package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/report"
	"github.com/isocost/isocost/search"
)

// liveEvery is the shortest time between two pages of a running search.
const liveEvery = 10 * time.Second

// live writes a search's page while it is under way.
type live struct {
	path, dir string // "" for no page
	now       func() time.Time
	note      func(err error) // of the first page that could not be written
	last      time.Time
	failed    bool
	state     search.Progress
}

// newLive writes the page of the search in dir to a path.
func (o *runOptions) newLive(dir string, env cli.Env) *live {
	return &live{path: o.Report, dir: dir, now: time.Now, note: func(err error) {
		fmt.Fprintf(env.Stderr, "isosearch: note: the report could not be written: %v\n", err)
	}}
}

// show takes the state of the search, and writes the page when the last is old enough.
func (l *live) show(p search.Progress) {
	l.state = p
	if l.path == "" || !l.last.IsZero() && l.now().Sub(l.last) < liveEvery {
		return
	}
	l.last = l.now()
	l.write("")
}

// write draws the page from the journal.
func (l *live) write(ended string) {
	if l.path == "" {
		return
	}
	j, err := search.ReadJournal(filepath.Join(l.dir, search.JournalFile))
	if err == nil {
		err = writePage(l.path, func(w io.Writer) error {
			return report.SearchRunning(w, report.Running{Name: filepath.Base(filepath.Clean(l.dir)), Phase: phase(l.state), Journal: j, Progress: l.state, Ended: ended})
		})
	}
	if err != nil && !l.failed { // a page that cannot be written does not end a search
		l.failed = true
		l.note(err)
	}
}

// writePage writes a page whole.
func writePage(path string, draw func(w io.Writer) error) error {
	var page bytes.Buffer
	if err := draw(&page); err != nil {
		return err
	}
	return atomicfile.Write(path, page.Bytes(), 0o644)
}

// logFile keeps what an evaluator prints, in a file that is made when there is something
// to keep.
type logFile struct {
	path string
	err  error
}

// Write implements io.Writer; it is called under the evaluator's lock.
func (l *logFile) Write(b []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(b)
		err = errors.Join(err, f.Close())
	}
	l.err = err
	return len(b), err
}

package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// Talk is the campaign's end of the pipe to one child.
type Talk struct {
	process Process
	reports chan Report
	end     chan error // why reading ended; one value
	began   float64    // device seconds of the campaign when the child began
	now     float64    // device seconds of the campaign, as last reported
	rss     int64
	joules  *float64 // of a simulated device, as last reported
	stop    chan struct{}
}

// Began is the campaign's time when the child began, in device seconds.
func (t *Talk) Began() float64 { return t.began }

// Now is the campaign's time as the child last reported it, in device seconds.
func (t *Talk) Now() float64 { return t.now }

// ResidentBytes is the child's memory as last reported.
func (t *Talk) ResidentBytes() int64 { return t.rss }

// Joules is the energy that a simulated device has spent since the child began; ok is false for
// any other device.
func (t *Talk) Joules() (spent float64, ok bool) {
	if t.joules == nil {
		return 0, false
	}
	return *t.joules, true
}

// Look asks the launcher whether the child runs where it was put; see Command.Check.
func (t *Talk) Look() error {
	if p, ok := t.process.(looked); ok {
		return p.look()
	}
	return nil
}

// fatalError is the child's refusal to go on at all.
func fatalError(r Report) error {
	err := errors.New(r.Fatal)
	if r.Hint != "" {
		return hint.Wrap(err, "%s", r.Hint)
	}
	return err
}

// NewTalk talks to a child that began when the campaign had taken elapsed seconds.
func NewTalk(p Process, elapsed float64) *Talk {
	t := &Talk{process: p, reports: make(chan Report, 64), end: make(chan error, 1), began: elapsed, now: elapsed, stop: make(chan struct{})}
	go func() {
		in := bufio.NewReaderSize(p, holdBytes)
		for {
			var r Report
			if err := readFrame(in, &r); err != nil {
				t.end <- err
				close(t.reports)
				return
			}
			select {
			case t.reports <- r:
			case <-t.stop:
				t.end <- io.EOF
				return
			}
		}
	}()
	return t
}

// Ask sends a request and hands every report to each, until the one that is
// done. patience bounds the silence between two reports, counted while this process runs: one that was stopped
// does not take a child that was stopped with it for dead. It returns a
// *Failure when the child crashed, hung, or wrote garbage, and an error of
// each as it is.
func (t *Talk) Ask(ctx context.Context, q Request, patience time.Duration, each func(Report) error) (Report, error) {
	if err := writeFrame(t.process, q); err != nil {
		return Report{}, t.fail("", err)
	}
	inFlight := ""
	step, silent := max(min(patience, time.Second), time.Millisecond), time.Duration(0)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			t.kill()
			return Report{}, ctx.Err()
		case <-ticker.C:
			if silent += step; silent < patience {
				continue
			}
			t.kill()
			return Report{}, &Failure{inFlight, record.Timeout, fmt.Sprintf("no answer for %v", patience)}
		case r, ok := <-t.reports:
			if !ok {
				if ctx.Err() != nil {
					t.kill()
					return Report{}, ctx.Err()
				}
				return Report{}, t.fail(inFlight, <-t.end)
			}
			silent = 0
			t.now = t.began + r.T
			if r.RSS > 0 {
				t.rss = r.RSS
			}
			if r.Joules != nil {
				t.joules = r.Joules
			}
			switch {
			case r.Begin:
				inFlight = r.Model
			case r.Fatal != "":
				return r, fatalError(r)
			case r.Done:
				return r, nil
			default:
				if r.Model == inFlight || r.Next != "" {
					inFlight = r.Next
				}
				if each != nil {
					if err := each(r); err != nil {
						return r, err
					}
				}
			}
		}
	}
}

// fail ends the child after its stream ended with err and says what happened.
func (t *Talk) fail(inFlight string, err error) *Failure {
	if errors.Is(err, errGarbage) {
		t.process.Kill()
		_, words := t.process.Wait()
		return &Failure{inFlight, record.Crashed("garbage"), joinDetail(err.Error(), words)}
	}
	code, words := t.process.Wait()
	return &Failure{inFlight, code, joinDetail("", words)}
}

func joinDetail(a, b string) string {
	return record.CleanDetail(strings.TrimSpace(a + " " + firstLines(b)))
}

// firstLines keeps a Go crash's first words and drops its goroutine dump, and what runtimes
// say at every start.
func firstLines(s string) string {
	head, _, _ := strings.Cut(s, "\n\ngoroutine ")
	if said := strings.TrimSpace(banner.ReplaceAllString(head, "")); said != "" {
		return said
	}
	return head
}

// banner matches the lines that TensorFlow and TensorFlow Lite write to standard error when
// nothing is wrong: of level INFO, about the processor, and before their logging is set up.
var banner = regexp.MustCompile(`(?m)^(INFO: |I\d{4} |[IW]0000 |\d{4}-\d\d-\d\d [0-9:.]+: I |To enable the following instructions: |WARNING: All log messages before absl::InitializeLog).*\n?`)

func (t *Talk) kill() {
	t.process.Kill()
	t.process.Wait()
}

// Close ends the child in good order.
func (t *Talk) Close() {
	close(t.stop)
	t.process.Kill()
	t.process.Wait()
}

package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// talk is the campaign's end of the pipe to one child.
type talk struct {
	process Process
	reports chan report
	end     chan error // why reading ended; one value
	base    float64    // device seconds of the campaign when the child began
	now     float64    // device seconds of the campaign, as last reported
	rss     int64
	hwm     int64
	joules  *float64 // of a simulated device, as last reported
	stop    chan struct{}
}

// childFailure is what a child did instead of answering.
type childFailure struct {
	model    string // in flight, "" if none
	validity string
	detail   string
}

func (f *childFailure) Error() string {
	s := "the measuring child failed: " + f.validity
	if f.detail != "" {
		s += ": " + f.detail
	}
	return s
}

// fatalError is the child's refusal to go on at all.
func fatalError(r report) error {
	err := errors.New(r.Fatal)
	if r.Hint != "" {
		return hint.Wrap(err, "%s", r.Hint)
	}
	return err
}

func newTalk(p Process, elapsed float64) *talk {
	t := &talk{process: p, reports: make(chan report, 64), end: make(chan error, 1), base: elapsed, now: elapsed, stop: make(chan struct{})}
	go func() {
		in := bufio.NewReaderSize(p, holdBytes)
		for {
			var r report
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

// ask sends a request and hands every report to each, until the one that is
// done. patience bounds the silence between two reports. It returns a
// *childFailure when the child crashed, hung, or wrote garbage, and an error of
// each as it is.
func (t *talk) ask(ctx context.Context, q request, patience time.Duration, each func(report) error) (report, error) {
	if err := writeFrame(t.process, q); err != nil {
		return report{}, t.fail("", err)
	}
	inFlight := ""
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			t.kill()
			return report{}, ctx.Err()
		case <-timer.C:
			t.kill()
			return report{}, &childFailure{inFlight, record.Timeout, fmt.Sprintf("no answer for %v", patience)}
		case r, ok := <-t.reports:
			if !ok {
				if ctx.Err() != nil {
					t.kill()
					return report{}, ctx.Err()
				}
				return report{}, t.fail(inFlight, <-t.end)
			}
			timer.Reset(patience)
			t.now = t.base + r.T
			if r.RSS > 0 {
				t.rss = r.RSS
			}
			t.hwm = max(t.hwm, r.HWM)
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
func (t *talk) fail(inFlight string, err error) *childFailure {
	if errors.Is(err, errGarbage) {
		t.process.Kill()
		_, words := t.process.Wait()
		return &childFailure{inFlight, record.CrashedPrefix + "garbage", joinDetail(err.Error(), words)}
	}
	code, words := t.process.Wait()
	return &childFailure{inFlight, code, joinDetail("", words)}
}

func joinDetail(a, b string) string {
	return cleanDetail(strings.TrimSpace(a + " " + firstLines(b)))
}

// firstLines keeps a Go crash's first words and drops its goroutine dump.
func firstLines(s string) string {
	head, _, _ := strings.Cut(s, "\n\ngoroutine ")
	return head
}

func (t *talk) kill() {
	t.process.Kill()
	t.process.Wait()
}

// close ends the child in good order.
func (t *talk) close() {
	close(t.stop)
	t.process.Kill()
	t.process.Wait()
}

package target

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// Job is one run of the agent on a device.
type Job struct {
	Dialer Dialer
	// Bundle is the local folder with the agent and its libraries.
	Bundle string
	// Files are pushed into the job's folder: name there → local path.
	Files map[string]string
	// Args are the agent's arguments; its working folder is the job's. It must
	// write its records to rec.jsonl and continue what it finds there.
	Args []string
	// Output is the local record file: it becomes a copy of the device's.
	Output string
	// By says who asks, for others who find the device busy.
	By string
	// Talk gets what the agent says on the device; Note what happens to the link,
	// in words. Both may be nil.
	Talk io.Writer
	Note func(format string, args ...any)
	// Stdout gets what the agent printed, when it has ended; nil for nowhere.
	Stdout io.Writer
	// GiveUp says how long a lost link is dialled again; 0 means 10 minutes.
	GiveUp time.Duration
	// Clean removes the job's folder from the device when it is done.
	Clean bool
}

// silence says how long the follower may say nothing before the link counts as
// lost; it gives a sign of life each followPing.
const silence = 20 * time.Second

// maxDeaths says how often a job that died without a word is started again.
const maxDeaths = 3

// ErrBusy is wrapped when another job measures on the device.
var ErrBusy = errors.New("the device is busy")

// ID names the job on the device: the same command finds it again.
func (j *Job) ID(ctx context.Context) (string, error) {
	h := sha256.New()
	word := func(s string) { fmt.Fprintf(h, "%d:%s,", len(s), s) }
	for _, a := range j.Args {
		word(a)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Files)) {
		sum, err := filehash.SHA256(ctx, j.Files[name])
		if err != nil {
			return "", err
		}
		word(name)
		word(sum)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// Run brings the job to its end and the records home, and returns the agent's
// exit code. A lost link is dialled again, and the device goes on meanwhile. When
// ctx ends the job on the device is stopped. The same call goes on after any
// error.
func (j *Job) Run(ctx context.Context) (int, error) {
	id, err := j.ID(ctx)
	if err != nil {
		return 0, err
	}
	log, whole, torn, err := atomicfile.OpenLog(j.Output)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	if len(torn) > 0 {
		j.note("%s: the torn last line is fetched again", j.Output)
	}
	r := &run{Job: j, log: log, have: int64(len(whole)), sum: sha256.New()}
	r.sum.Write(whole)
	r.dir = path.Join(j.Dialer.Base(), "jobs", id)
	code, err := r.loop(ctx)
	if err != nil && ctx.Err() != nil {
		r.stop()
		if r.have == 0 {
			return 0, hint.Wrap(ctx.Err(), "nothing that was measured is here yet: run the same command again to go on")
		}
		return 0, hint.Wrap(ctx.Err(), "what was measured is in %s; run the same command again to go on", j.Output)
	}
	return code, err
}

func (j *Job) note(format string, args ...any) {
	if j.Note != nil {
		j.Note(format, args...)
	}
}

type run struct {
	*Job
	dir     string // the job's folder on the device
	agent   string // the agent there, once deployed
	log     *atomicfile.Log
	have    int64 // bytes of records here
	sum     hash.Hash
	talkAt  int64
	reached bool // it was dialled with success
	printed bool // the agent's output was passed on
	begun   bool // this run has started the job, or found it running
	deaths  int
}

// loop dials until the job is done.
func (r *run) loop(ctx context.Context) (int, error) {
	giveUp := r.GiveUp
	if giveUp == 0 {
		giveUp = 10 * time.Minute
	}
	contact := time.Now()
	wait := 250 * time.Millisecond
	for first := true; ; first = false {
		s, err := r.attempt(ctx, func() {
			if !first && wait > 250*time.Millisecond {
				r.note("%s answers again", r.Dialer)
			}
			contact, wait = time.Now(), 250*time.Millisecond
		})
		switch {
		case err == nil && s.State == StateDone:
			return s.Code, nil
		case err == nil: // died
			if r.deaths++; r.deaths > maxDeaths {
				return 0, hint.Wrap(fmt.Errorf("the job on %s died %d times without a word (its folder there is %s)", r.Dialer, r.deaths, r.dir),
					"does the device restart or run out of memory? its records so far are in %s", r.Output)
			}
			r.note("the job on %s died (a restart?); it is started again", r.Dialer)
			continue
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case !errors.Is(err, ErrLost) || errors.Is(err, ErrRefused):
			return 0, err
		case !r.reached:
			return 0, err // never reached: more likely a typing error than a lost link
		case time.Since(contact) > giveUp:
			return 0, hint.Wrap(fmt.Errorf("no contact for %v: %w", giveUp, err),
				"the device goes on by itself; run the same command again to fetch its records")
		}
		r.note("%v; trying again", err)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// attempt does on one link all that is left to do.
func (r *run) attempt(ctx context.Context, contact func()) (JobState, error) {
	c, err := r.Dialer.Dial(ctx)
	if err != nil {
		return JobState{}, err
	}
	defer c.Close()
	r.reached = true
	if r.agent == "" {
		if err := r.refuseBusy(ctx, c); err != nil {
			return JobState{}, err
		}
		agent, err := Deploy(ctx, c, r.Dialer.Base(), r.Bundle, func(name string) { r.note("pushing %s", name) })
		if err != nil {
			return JobState{}, err
		}
		if _, err := PushFiles(ctx, c, path.Join(r.dir, "in"), r.Files, func(name string) { r.note("pushing %s", name) }); err != nil {
			return JobState{}, err
		}
		r.agent = agent
	}
	contact()
	s, err := r.job(ctx, c, "state", "--prefix", strconv.FormatInt(r.have, 10))
	if err != nil {
		return s, err
	}
	if s.State == StateBusy {
		return s, busy(r.Dialer, s)
	}
	if err := r.reconcile(ctx, c, s); err != nil {
		return s, err
	}
	// A job that was done before this run is run again: it continues its campaign.
	if s.State == StateNone || s.State == StateDied || s.State == StateDone && !r.begun {
		if s, err := r.start(ctx, c); err != nil {
			return s, err
		}
	}
	r.begun = true
	s, err = r.follow(ctx, c, contact)
	if err == nil && s.State == StateDone && r.Stdout != nil && !r.printed {
		// Whole or not at all: the link may break in the middle.
		out, err := answer(ctx, c, maxOutputBytes, "cat", "--", pathArg(path.Join(r.dir, "out")))
		if err != nil {
			return s, err
		}
		r.printed = true
		if _, err := r.Stdout.Write(out); err != nil {
			return s, err
		}
	}
	if err == nil && s.State == StateDone && r.Clean && s.Code == 0 {
		err = c.Exec(ctx, []string{"rm", "-rf", "--", pathArg(r.dir)}, nil, nil, nil)
	}
	return s, err
}

// pathArg keeps a relative path from being an option.
func pathArg(p string) string {
	if path.IsAbs(p) {
		return p
	}
	return "./" + p
}

// refuseBusy asks the agent that is already there, if any, whether another job
// measures: pushing would disturb it.
func (r *run) refuseBusy(ctx context.Context, c Conn) error {
	r.agent = pathArg(path.Join(r.Dialer.Base(), "bundle", agentName))
	defer func() { r.agent = "" }()
	s, err := r.job(ctx, c, "state")
	if err == nil && s.State == StateBusy {
		return busy(r.Dialer, s)
	}
	if errors.Is(err, ErrLost) || ctx.Err() != nil {
		return err
	}
	return nil // no agent there yet, or one too old to know
}

func busy(d Dialer, s JobState) error {
	return hint.Wrap(fmt.Errorf("%w: %s measures for %s", ErrBusy, d, s.Owner), "two measurements at once spoil each other: wait for it to end")
}

// job runs "agent job VERB" for this job on the device.
func (r *run) job(ctx context.Context, c Conn, verb string, args ...string) (JobState, error) {
	argv := append([]string{r.agent, "job", verb, "--dir", r.dir}, args...)
	out, err := answer(ctx, c, maxStateBytes, argv...)
	if err != nil {
		return JobState{}, fmt.Errorf("agent job %s: %w", verb, err)
	}
	var s JobState
	if err := strictjson.Decode(out, &s); err != nil {
		return s, hint.Wrap(fmt.Errorf("agent job %s on %s wrote %.80q: %w", verb, r.Dialer, out, err),
			"the agent there may be another version: remove %s/bundle on the device", r.Dialer.Base())
	}
	return s, nil
}

func (r *run) start(ctx context.Context, c Conn) (JobState, error) {
	s, err := r.job(ctx, c, "start", append([]string{"--by", r.By, "--"}, r.Args...)...)
	switch {
	case err != nil:
		return s, err
	case s.State == StateBusy:
		return s, busy(r.Dialer, s)
	}
	r.talkAt = 0 // a new start begins its talk anew
	return s, nil
}

// reconcile makes sure that the device's records begin with ours.
func (r *run) reconcile(ctx context.Context, c Conn, s JobState) error {
	if r.have == 0 {
		return nil
	}
	if s.Bytes >= r.have {
		if got := hex.EncodeToString(r.sum.Sum(nil)); s.Prefix != got {
			return hint.Wrap(fmt.Errorf("%s and the records on %s are of different campaigns", r.Output, r.Dialer),
				"give another -o, or remove %s on the device", r.dir)
		}
		return nil
	}
	// The device has lost them, or never had them: it continues from ours.
	data, err := os.ReadFile(r.Output)
	if err != nil {
		return err
	}
	head := sha256.Sum256(data[:min(s.Bytes, int64(len(data)))])
	if s.State == StateRunning || s.Bytes > 0 && s.Prefix != hex.EncodeToString(head[:]) {
		return hint.Wrap(fmt.Errorf("%s and the records on %s are of different campaigns", r.Output, r.Dialer),
			"give another -o, or remove %s on the device", r.dir)
	}
	r.note("the records so far are pushed to %s", r.Dialer)
	return c.Push(ctx, r.Output, path.Join(r.dir, recordName))
}

// follow copies records until the job has ended or the link is lost.
func (r *run) follow(ctx context.Context, c Conn, contact func()) (JobState, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := time.AfterFunc(silence, cancel)
	defer alive.Stop()
	pr, pw := io.Pipe()
	var end *JobState
	read := make(chan error, 1)
	go func() {
		err := readMessages(pr, func(m message) error {
			alive.Reset(silence)
			contact()
			if m.State != nil {
				end = m.State
			}
			return r.take(m)
		})
		pr.CloseWithError(err)
		read <- err
	}()
	argv := []string{r.agent, "job", "follow", "--dir", r.dir,
		"--record-at", strconv.FormatInt(r.have, 10), "--talk-at", strconv.FormatInt(r.talkAt, 10)}
	execErr := c.Exec(ctx, argv, nil, pw, nil)
	pw.Close()
	readErr := <-read
	var local localError
	switch {
	case errors.As(readErr, &local):
		return JobState{}, local.error
	case end != nil && end.finished() && end.Bytes != r.have:
		return JobState{}, hint.Wrap(fmt.Errorf("%w: %s says that its job is done with %d bytes of records, and sent %d", ErrRefused, r.Dialer, end.Bytes, r.have),
			"is this the device you mean? its agent does not behave as isocost's; what it sent is in %s", r.Output)
	case end != nil && end.finished() && r.have == 0:
		return JobState{}, hint.Wrap(fmt.Errorf("%w: %s says that its job is done and has no records", ErrRefused, r.Dialer),
			"its folder there is %s", r.dir)
	case end != nil:
		return *end, nil
	case readErr != nil && !errors.Is(readErr, errTorn):
		return JobState{}, fmt.Errorf("%s: %w", r.Dialer, readErr)
	case execErr == nil || errors.Is(execErr, context.Canceled):
		return JobState{}, fmt.Errorf("%w: %s fell silent", ErrLost, r.Dialer)
	}
	return JobState{}, execErr
}

// localError is trouble on this side: dialling again does not help.
type localError struct{ error }

// take stores one message. Records are appended line by line, each synced; what
// is here already is never appended again.
func (r *run) take(m message) error {
	if len(m.Record) > 0 {
		begin := m.RecordEnd - int64(len(m.Record))
		if begin != r.have {
			return fmt.Errorf("records from byte %d on, want them from %d", begin, r.have)
		}
		for line := range bytes.Lines(m.Record) {
			if err := r.log.Append(line[:len(line)-1]); err != nil {
				return localError{fmt.Errorf("write %s: %w", r.Output, err)}
			}
			r.have += int64(len(line))
			r.sum.Write(line)
		}
	}
	if len(m.Talk) > 0 {
		r.talkAt = m.TalkEnd
		if r.Talk != nil {
			r.Talk.Write(m.Talk)
		}
	}
	return nil
}

// stop ends the job on the device, as well as it goes.
func (r *run) stop() {
	if r.agent == "" || !r.begun {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := r.Dialer.Dial(ctx)
	if err == nil {
		defer c.Close()
		_, err = r.job(ctx, c, "stop")
	}
	if err != nil {
		r.note("the job on %s could not be stopped and goes on: %v", r.Dialer, err)
		return
	}
	r.note("the job on %s is stopped", r.Dialer)
}

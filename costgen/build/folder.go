package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/deviceplan"
	"github.com/isocost/isocost/internal/agentprogram"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filelock"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/record"
)

// Format is the first field of a run's settings.
const Format = "isocost/build/v1"

// settings holds what a build decides by, besides its records.
type settings struct {
	Format   string   `json:"format"`
	Target   string   `json:"target"`
	Args     []string `json:"args"` // of agent bench
	Protocol string   `json:"protocol"`
	Census   string   `json:"census_sha256"`
	Unseen   string   `json:"unseen_sha256,omitempty"`
	Prior    string   `json:"prior_sha256,omitempty"`
	Seconds  float64  `json:"seconds"`
	Error    float64  `json:"error,omitempty"`
	Seed     uint64   `json:"seed"`
}

// folder holds what a build planned and measured.
type folder struct {
	dir  string
	lock io.Closer
}

// open makes the run's folder, or finds that it holds this very build.
func open(o *Options) (*folder, error) {
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, err
	}
	f := &folder{dir: o.Dir}
	var err error
	if f.lock, err = filelock.Lock(f.path("lock")); err != nil {
		return nil, hint.Wrap(fmt.Errorf("another build uses %s: %w", o.Dir, err), "wait for it, or name another folder with --run")
	}
	if o.Protocol == "" {
		o.Protocol = protocol
	}
	want := settings{Format: Format, Target: o.Target, Args: append([]string{}, o.Args...), Protocol: o.Protocol, Seconds: o.Seconds, Error: o.Error, Seed: o.Seed}
	if want.Census, err = hashOf(o.Census); err == nil && o.Unseen != nil {
		want.Unseen, err = hashOf(o.Unseen)
	}
	if t := o.Compile.Prior; t != nil {
		sum := sha256.Sum256(t.Encode())
		want.Prior = hex.EncodeToString(sum[:])
	}
	var text []byte
	if err == nil {
		text, err = strictjson.Text(want, "\t")
	}
	if err == nil {
		err = f.settle(text)
	}
	if err == nil {
		err = atomicfile.Write(f.path("protocol.yaml"), []byte(o.Protocol), 0o644)
	}
	if err != nil {
		f.lock.Close()
		return nil, err
	}
	return f, nil
}

// settle writes the settings, or compares them with those that the folder has.
func (f *folder) settle(text []byte) error {
	path := f.path("settings.json")
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return atomicfile.Write(path, text, 0o644)
	} else if err != nil {
		return err
	}
	if bytes.Equal(have, text) {
		return nil
	}
	line, _ := strictjson.Difference(have, text)
	return hint.Wrap(fmt.Errorf("%s:%d: the folder holds a build with other settings: %s", path, line, strings.TrimSpace(lineOf(have, line))),
		"give the flags it was started with to go on, or another folder with --run")
}

// forget takes the settings and the plan of a build that was refused before it measured anything,
// so that the same command may come again with more time.
func (f *folder) forget() {
	if _, err := os.Stat(f.recordPath(0)); errors.Is(err, fs.ErrNotExist) {
		os.Remove(f.planPath(0))
		os.Remove(f.path("settings.json"))
	}
}

func lineOf(text []byte, n int) string {
	lines := strings.Split(string(text), "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

func hashOf(c *census.Census) (string, error) {
	var text bytes.Buffer // what it holds, not how it is compressed
	for i := range c.Networks {
		line, err := strictjson.Line(&c.Networks[i])
		if err != nil {
			return "", err
		}
		text.Write(line)
		text.WriteByte('\n')
	}
	sum := sha256.Sum256(text.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) planPath(k int) string   { return f.path(fmt.Sprintf("%02d.plan.jsonl", k+1)) }
func (f *folder) recordPath(k int) string { return f.path(fmt.Sprintf("%02d.rec.jsonl", k+1)) }

// plan is the k-th campaign's plan: that on file, else the one that is made.
func (f *folder) plan(k int, make func() (*benchmarks.Plan, error)) (*benchmarks.Plan, error) {
	plan, err := benchmarks.OpenPlan(f.planPath(k))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return plan, err
	}
	if plan, err = make(); err != nil {
		return nil, err
	}
	return plan, atomicfile.Write(f.planPath(k), plan.Encode(), 0o644)
}

func (f *folder) refusedPath(k int) string {
	return f.path(fmt.Sprintf("%02d.refused.plan.jsonl", k+1))
}

// refuse sets the k-th campaign's plan aside, which needs more time than there is: one of a
// third of its work takes its place, also when the build is interrupted before that is measured.
func (f *folder) refuse(k int) error {
	if err := os.Remove(f.recordPath(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(f.planPath(k), f.refusedPath(k))
}

// wasRefused reports whether the k-th campaign's first plan was set aside.
func (f *folder) wasRefused(k int) bool {
	_, err := os.Stat(f.refusedPath(k))
	return err == nil
}

// mostLinks is the largest number of chains of the first campaign that every later one measures again: by them
// the campaigns are brought to one speed.
const mostLinks = 12

// links are chains of the first campaign, the cheapest, that all others repeat.
func (f *folder) links() ([]deviceplan.Link, error) {
	plan, err := benchmarks.OpenPlan(f.planPath(0))
	if err != nil {
		return nil, err
	}
	return deviceplan.Links(plan, mostLinks)
}

// tooBusy is the error of a campaign that needs more time than the build has left.
type tooBusy struct {
	error
	seconds float64
}

func (e *tooBusy) Unwrap() error { return e.error }

// measure has the k-th plan measured, as far as it is not, in some seconds – up to most, if the
// agent says that they are too few –, and reads the records.
func (f *folder) measure(ctx context.Context, k int, seconds, most float64, o *Options) (*record.File, error) {
	if file, err := f.records(k); err != nil || file != nil && file.End != nil {
		return file, err
	}
	args := []string{"--plan", f.planPath(k), "--protocol", f.path("protocol.yaml"), "-o", f.recordPath(k), "--json"}
	if o.Target != "" && o.Target != "local" {
		args = append(args, "--target", o.Target)
	}
	args = append(args, o.Args...)
	bench := func(seconds float64) (needed float64, err error) {
		var said bytes.Buffer // its summary is of this campaign alone
		timed := slices.Insert(slices.Clone(args), 0, "--max-time", time.Duration(seconds*float64(time.Second)).Round(time.Millisecond).String())
		err = agentprogram.Bench(ctx, o.Program, timed, &said, o.Stderr)
		return agentprogram.NeededSeconds(said.Bytes()), err
	}
	// A time too short for any interval, as it may be on a busy host, is refused before
	// anything is measured, with what would do.
	needed, err := bench(seconds)
	if err != nil && needed > seconds && needed <= most {
		_, err = bench(needed)
	}
	if err != nil && needed > most {
		return nil, &tooBusy{err, needed}
	}
	if err != nil {
		return nil, err
	}
	file, err := f.records(k)
	if err == nil && (file == nil || file.End == nil) {
		err = fmt.Errorf("%s: the campaign did not come to its end", f.recordPath(k))
	}
	return file, err
}

// records reads the k-th campaign, nil when nothing of it is on file: a kill may leave not
// even a header.
func (f *folder) records(k int) (*record.File, error) {
	path := f.recordPath(k)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Contains(data, []byte("\n")) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return record.Decode(path, data)
}

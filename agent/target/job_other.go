//go:build !unix

package target

import (
	"context"
	"errors"
	"io"
	"time"
)

// The device's side of a job runs on Unix systems only; the host's side runs
// anywhere.
var errNoJobs = errors.New("this system cannot be measured on as a target")

// LockPath is empty here.
func LockPath() string { return "" }

// StartJob fails here.
func StartJob(dir, lock, by string, self, argv []string) (JobState, error) {
	return JobState{}, errNoJobs
}

// Supervise fails here.
func Supervise(dir string, argv []string) error { return errNoJobs }

// StateOf fails here.
func StateOf(dir, lock string, prefix int64) (JobState, error) { return JobState{}, errNoJobs }

// Follow fails here.
func Follow(ctx context.Context, dir, lock string, recordAt, talkAt int64, w io.Writer) error {
	return errNoJobs
}

// StopJob fails here.
func StopJob(dir, lock string, patience time.Duration) (JobState, error) {
	return JobState{}, errNoJobs
}

// VerifyFiles fails here.
func VerifyFiles(dir string) error { return errNoJobs }

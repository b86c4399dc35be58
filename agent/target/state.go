package target

// States of a job.
const (
	StateNone    = "none"    // nothing was ever started in its folder
	StateRunning = "running" //
	StateDone    = "done"    // it has ended; Code says how
	StateDied    = "died"    // it ended without a word: killed, or the device restarted
	StateBusy    = "busy"    // another job holds the device; Owner says whose
)

// recordName is the record file in a job's folder.
const recordName = "rec.jsonl"

// JobState says how a job on the device is doing.
type JobState struct {
	State  string `json:"state"`
	Code   int    `json:"code"`             // of a job that is done: its exit code, 128 + signal
	Owner  string `json:"owner,omitempty"`  // of the job that makes the device busy
	Bytes  int64  `json:"bytes,omitempty"`  // of its record file
	Prefix string `json:"prefix,omitempty"` // SHA-256 of the prefix asked for
}

// finished reports whether the campaign came to its end, with or without failed
// cases: its record file is then whole. A job that was killed may leave half a line.
func (s JobState) finished() bool { return s.State == StateDone && (s.Code == 0 || s.Code == 3) }

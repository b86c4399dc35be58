package target

import (
	"cmp"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

// A device whose agent lies, talks without end or records nothing is refused: the
// host's memory and time are bounded, and no campaign counts as done without records.
func TestLyingDevice(t *testing.T) {
	const done = `{"record":"e30K","record_end":3}
{"state":{"state":"done","code":0,"bytes":3}}`
	for name, c := range map[string]struct {
		state, follow string // shell, for agent job state|start and agent job follow
		want          string
	}{
		"honest":                        {`echo '{"state":"none","code":0}'`, "echo '" + done + "'", ""},
		"a state without end":           {`yes '{"state":"none"'`, "", "has no end"},
		"records without end of line":   {`echo '{"state":"none","code":0}'`, `yes | tr -d '\n'`, "longer than"},
		"fewer records than it says":    {`echo '{"state":"none","code":0}'`, "echo '" + strings.ReplaceAll(done, `"bytes":3`, `"bytes":9`) + "'", "9 bytes of records, and sent 3"},
		"done without records":          {`echo '{"state":"none","code":0}'`, `echo '{"state":{"state":"done","code":0}}'`, "has no records"},
		"records it has not, by offset": {`echo '{"state":"none","code":0}'`, `echo '{"record":"e30K","record_end":300}'`, "records from byte 297"},
		"no JSON":                       {`echo '<html>'`, "", "<html>"},
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, agentName), "#!/bin/sh\ncase \"$2\" in\nstate|start) "+c.state+" ;;\nfollow) "+cmp.Or(c.follow, ":")+" ;;\nesac\n")
		base := filepath.Join(t.TempDir(), "isocost")
		j := newJob(t, world{dialer: LocalDialer{base}, base: base}, 1, 1)
		j.Bundle, j.Stdout = dir, nil
		_, err := j.Run(t.Context())
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case errors.Is(err, ErrRefused) && hint.Of(err) == "":
			t.Errorf("%s: no hint: %v", name, err)
		}
	}
}

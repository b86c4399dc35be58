package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A campaign that the agent refuses as too short gets the time that is said to be needed, if the
// build has it.
func TestABusyHostEndsNoBuild(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	canned, err := filepath.Abs("../../testdata/vectors/rec-v2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		most  float64
		calls []string
	}{
		{300, []string{"--max-time 1m0s", "--max-time 1m10s"}},
		{65, []string{"--max-time 1m0s"}},
	} {
		f := &folder{dir: t.TempDir()}
		script := `#!/bin/sh
echo "$@" >>` + f.dir + `/calls
if [ "$(wc -l <` + f.dir + `/calls)" -eq 1 ]; then echo '{"need_s":70}'; exit 1; fi
while [ "$1" != -o ]; do shift; done
cp ` + canned + ` "$2"
`
		o := &Options{Program: f.path("agent")}
		if err := os.WriteFile(o.Program, []byte(script), 0o777); err != nil {
			t.Fatal(err)
		}
		file, err := f.measure(context.Background(), 0, 60, c.most, o)
		busy := (*tooBusy)(nil)
		if enough := c.most >= 70; enough != (err == nil) || enough == errors.As(err, &busy) || enough && file.End == nil || busy != nil && busy.seconds != 70 {
			t.Errorf("of %v s: %v, %+v", c.most, err, busy)
		}
		calls, err := os.ReadFile(f.path("calls"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
		if len(lines) != len(c.calls) {
			t.Fatalf("of %v s the agent is called %q", c.most, lines)
		}
		for i, want := range c.calls {
			if !strings.Contains(lines[i], want) {
				t.Errorf("call %d is %q, want %s", i, lines[i], want)
			}
		}
	}
}

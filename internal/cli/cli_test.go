package cli

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/hint"
)

func testProgram(err error) *Program {
	return &Program{Name: "prog", Short: "does things", Version: "v1", Commands: []Command{{
		Name: "do", Short: "does it", Example: "prog do --n 3",
		Setup: func(f *pflag.FlagSet) RunFunc {
			n := f.Int("n", 1, "how many")
			return func(_ context.Context, env Env, _ []string) error {
				if *n == 3 {
					_, werr := env.Stdout.Write([]byte("three\n"))
					return werr
				}
				return err
			}
		},
	}}}
}

func TestExitCodesAndStreams(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   string
		err    error
		code   int
		stdout string
		stderr string
	}{
		{"success", "do --n 3", nil, 0, "three\n", ""},
		{"failure", "do", errors.New("read x: gone"), 1, "", "prog: error: read x: gone\n"},
		{"hint", "do", hint.Wrap(errors.New("gone"), "look at %s", "y"), 1, "", "prog: error: gone\nprog: hint: look at y\n"},
		{"usage", "do", Usagef("n is odd"), 2, "", "prog: error: n is odd\nprog: hint: see prog do -h\n"},
		{"partial", "do", Partial(errors.New("2 of 9 failed")), 3, "", "prog: error: 2 of 9 failed\n"},
		{"interrupted", "do", context.Canceled, 130, "", "prog: error: interrupted\nprog: hint: run the same command again to go on\n"},
		{"unknown command", "fly", nil, 2, "", "prog: error: unknown command \"fly\"\nprog: hint: see prog -h\n"},
		{"unknown flag", "do --wings", nil, 2, "", "prog: error: unknown flag: --wings\nprog: hint: see prog do -h\n"},
		{"version", "--version", nil, 0, "prog v1\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, talk bytes.Buffer
			code := testProgram(c.err).Run(t.Context(), strings.Fields(c.args), Env{nil, &out, &talk, func(string) string { return "" }})
			if code != c.code || out.String() != c.stdout || talk.String() != c.stderr {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, %q, %q", code, out.String(), talk.String(), c.code, c.stdout, c.stderr)
			}
		})
	}
}

func TestHelpNamesExampleFlagsAndExitCodes(t *testing.T) {
	var out bytes.Buffer
	if code := testProgram(nil).Run(t.Context(), []string{"do", "-h"}, Env{Stdout: &out}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{"prog do: does it", "prog do --n 3", "--n int", "130  interrupted"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, out.String())
		}
	}
}

func TestProgressOffTerminalPrintsALineEachTenSeconds(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, func(string) string { return "" })
	at := p.start
	p.now = func() time.Time { return at }
	for s := range 25 {
		at = p.start.Add(time.Duration(s) * time.Second)
		p.Show(State{Label: "measuring", Done: float64(s) / 100, Left: -1, Valid: s, Total: 30, Temp: 47.5, Note: "case"})
	}
	p.Done()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3 (0, 10 and 20 s):\n%s", len(lines), out.String())
	}
	if want := "measuring  20 %  1 min 20 s left  20 of 30 ok  48 °C  case"; lines[2] != want {
		t.Errorf("line %q, want %q", lines[2], want)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("escape codes off a terminal")
	}
}

func TestHelpListsGroups(t *testing.T) {
	p := testProgram(nil)
	inner := p.Commands[0].Setup
	p.Commands[0].Setup = func(f *pflag.FlagSet) RunFunc {
		run := inner(f)
		f.Int("threads", 1, "how many threads")
		Group(f, "Measuring", "threads")
		return run
	}
	var out bytes.Buffer
	p.Run(t.Context(), []string{"do", "-h"}, Env{Stdout: &out})
	flags, measuring := strings.Index(out.String(), "\nFlags:"), strings.Index(out.String(), "\nMeasuring:")
	if flags < 0 || measuring < flags || !strings.Contains(out.String()[measuring:], "--threads") {
		t.Errorf("groups are missing or out of order:\n%s", out.String())
	}
}

func TestCompletionKnowsCommandsAndFlags(t *testing.T) {
	for shell, want := range map[string][]string{
		"bash": {`compgen -W "do completion"`, `do) COMPREPLY=($(compgen -W "--n" `},
		"zsh":  {"bashcompinit", `"do completion"`},
		"fish": {"-a do -d \"does it\"", "__fish_seen_subcommand_from do' -l n"},
	} {
		var out bytes.Buffer
		if code := testProgram(nil).Run(t.Context(), []string{"completion", shell}, Env{Stdout: &out}); code != 0 {
			t.Fatalf("%s: exit code %d", shell, code)
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s completion lacks %q:\n%s", shell, w, out.String())
			}
		}
	}
}

// The shell itself must accept the script and complete with it.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	var script bytes.Buffer
	testProgram(nil).Run(t.Context(), []string{"completion", "bash"}, Env{Stdout: &script})
	cmd := exec.Command(bash, "-c", script.String()+`
COMP_WORDS=(prog do --); COMP_CWORD=2; _prog; echo "${COMPREPLY[@]}"`)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "--n" {
		t.Errorf("bash completed %q, %v; want --n", out, err)
	}
}

package probe

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain is the child as well: what it is asked to probe says how it ends.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		switch os.Args[len(os.Args)-1] {
		case "answers":
			fmt.Printf(`{"version":"1","providers":["cpu"],"hint":%q}`+"\n", strings.Join(os.Args[2:], " "))
		case "exits":
			fmt.Fprintln(os.Stderr, "driver: no device")
			os.Exit(3)
		case "crashes":
			fmt.Fprintln(os.Stderr, "loading\nSIGSEGV: segmentation violation\ngoroutine 1")
			os.Exit(2)
		case "leaves": // as drivers do that call exit(0)
		case "hangs":
			time.Sleep(time.Minute)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// However a library ends its process, the one that asked says so and goes on.
func TestAskedRuntimeAnswersFromAChild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := Child{Path: self, Args: []string{"child"}, Patience: 30 * time.Second}
	if r := child.Ask(context.Background(), "ort", "cpu", []string{"answers"}); r.Error != "" || r.Version != "1" || r.Hint != "--provider cpu --backend ort answers" {
		t.Errorf("%+v", r)
	}
	for how, want := range map[string]string{
		"exits":   "the library ended its process (exit status 3): driver: no device",
		"crashes": "the library ended its process (exit status 2): SIGSEGV: segmentation violation",
		"leaves":  "the library ended its process (exit status 0)",
	} {
		if r := child.Ask(context.Background(), "ort", "", []string{how}); r.Error != want || r.Hint == "" {
			t.Errorf("%s: %+v", how, r)
		}
	}
	child.Patience = 200 * time.Millisecond
	if r := child.Ask(context.Background(), "ort", "", []string{"hangs"}); !strings.Contains(r.Error, "no answer within 200ms") {
		t.Errorf("%+v", r)
	}
}

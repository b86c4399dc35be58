package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/search"
)

// The page is written at once and then every ten seconds at most; that it cannot be
// written is noted once.
func TestLivePage(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	searchOf(t, run)
	now := time.Unix(1000, 0)
	noted := 0
	l := &live{path: filepath.Join(dir, "page.html"), dir: run, now: func() time.Time { return now }, note: func(error) { noted++ }}
	written := func() bool {
		err := os.Remove(l.path)
		return err == nil
	}
	l.show(search.Progress{})
	if !written() {
		t.Fatal("no page at the beginning")
	}
	now = now.Add(liveEvery - 1)
	if l.show(search.Progress{}); written() {
		t.Error("a page before ten seconds have passed")
	}
	now = now.Add(1)
	if l.show(search.Progress{}); !written() {
		t.Error("no page after ten seconds")
	}
	l.dir = dir // no journal
	l.write("")
	l.write("")
	if noted != 1 {
		t.Errorf("noted %d times that there is no page", noted)
	}
}

// searchOf runs a small search with a report and returns its page.
func searchOf(t *testing.T, run string) string {
	t.Helper()
	page := run + ".html"
	table := tabular(t, filepath.Dir(run))
	code, _, stderr := isosearch("run", "--space", table, "--lut", "space:us", "--evaluator", "table:"+table+",noise=gaussian", "--epsilon", "0.5",
		"--sigma", "0.3", "--budget", "60", "--explore", "random:10", "-o", run, "--report", page)
	if code != cli.ExitOK && code != cli.ExitPartial {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is left at the end is the report of the run, which stays as it is.
func TestRunWritesItsReport(t *testing.T) {
	page := searchOf(t, filepath.Join(t.TempDir(), "run"))
	if strings.Contains(page, `http-equiv="refresh"`) || !strings.Contains(page, "What is claimed") {
		t.Errorf("the page at the end: %.300s", page)
	}
}

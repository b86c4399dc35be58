package campaign_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// The test binary plays all the processes: the test itself, a campaign that gets
// killed, and the measuring child.
func TestMain(m *testing.M) {
	switch os.Getenv("ISOCOST_TEST_ROLE") {
	case "child":
		c := child.Child{OwnProcess: true, Build: agent.Build, Orphaned: func() { os.Exit(1) },
			NewBackend: func(spec agent.BackendSpec) (agent.Backend, error) {
				d, err := sim.Parse("device", []byte(spec.Config["device"]))
				if err != nil {
					return nil, err
				}
				return sim.New(d, die), nil
			}}
		if err := c.Serve(context.Background(), os.NewFile(child.RequestFD, "requests"), os.NewFile(child.ReportFD, "reports")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "campaign":
		var k campaignText
		err := json.Unmarshal([]byte(os.Getenv("ISOCOST_TEST_CAMPAIGN")), &k)
		if err == nil {
			c := campaign.Campaign{Plan: &k.Plan, PlanHash: k.PlanHash, Protocol: k.Protocol, Backend: k.Backend, Path: k.Path,
				Agent: "test", Device: k.Device, Launch: childOf(k.Backend), Now: time.Now}
			_, err = c.Run(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// campaignText carries a campaign to another process.
type campaignText struct {
	Plan     benchmarks.Plan
	PlanHash string
	Protocol agent.Protocol
	Backend  agent.BackendSpec
	Path     string
	Device   lut.Device
}

func die(kind string) {
	switch kind {
	case "crash":
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	case "abort":
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
	case "exit0":
		os.Exit(0)
	case "exit1":
		fmt.Fprintln(os.Stderr, "driver: giving up")
		os.Exit(1)
	case "garbage":
		os.NewFile(child.ReportFD, "reports").WriteString("driver: 0x7f00 says hello\n")
	}
	select {}
}

func childOf(agent.BackendSpec) child.Launcher {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return child.Command{Path: self, Env: append(os.Environ(), "ISOCOST_TEST_ROLE=child")}
}

// processCampaign is a campaign whose child is a real process on a device given
// as text.
func processCampaign(t testing.TB, p *benchmarks.Plan, deviceText string, change func(*agent.Protocol)) *campaign.Campaign {
	c := newCampaign(t, p, simDevice(t, strings.TrimPrefix(deviceText, deviceHead)), change)
	c.Backend.Config = map[string]string{"device": deviceText}
	c.Launch = childOf(c.Backend)
	return c
}

func TestFaultsBecomeRecords(t *testing.T) {
	ops := []lut.Op{conv(lut.FP32, 16, 16, 14), conv(lut.FP32, 16, 24, 14), conv(lut.FP32, 16, 32, 14)}
	p := planOf(ops...)
	for _, c := range []struct {
		kind, at, extra string
		want            record.Validity
	}{
		// These wait for seconds; first, they do so beside each other.
		{"hang", "run", "after_runs: 40", record.Timeout},
		{"hang", "open", "", record.Timeout},
		{"crash", "run", "after_runs: 40", "crashed:SIGSEGV"},
		{"crash", "open", "", "crashed:SIGSEGV"},
		{"abort", "run", "after_runs: 3", "crashed:SIGABRT"},
		{"exit0", "run", "after_runs: 40", "crashed:exit0"},
		{"exit1", "run", "after_runs: 40", "crashed:exit1"},
		{"garbage", "run", "after_runs: 40", "crashed:garbage"},
		{"error", "run", "after_runs: 40", "crashed:error"},
		{"unsupported", "open", "", record.Unsupported},
		{"wrong", "run", "", record.NumericMismatch},
		{"fallback", "open", "", record.Fallback},
	} {
		t.Run(c.kind+" at "+c.at, func(t *testing.T) {
			t.Parallel()
			text := deviceHead + "providers: [cpu, npu]\nfaults:\n  - {match: 'cout=24', at: " + c.at + ", kind: " + c.kind + ", " + c.extra + "}\n"
			k := processCampaign(t, p, strings.Replace(text, ", }", "}", 1), func(q *agent.Protocol) {
				if c.kind == "hang" { // for the others a busy machine has the default's time
					q.Limits.VisitSeconds, q.Limits.OpenSeconds = 2.5, 2.5
				}
				q.Check.Numeric = c.kind == "wrong"
				q.Stop.MinSamples = 40
			})
			k.Backend.Provider = "npu"
			out := runCampaign(t, k)
			if len(out.Records) != len(p.Cases) || out.End.Failed != 1 {
				t.Errorf("%d records, %d failed; want %d and 1", len(out.Records), out.End.Failed, len(p.Cases))
			}
			for _, r := range out.Records {
				bad := r.Key != nil && r.Key.String() == ops[1].String()
				if bad && (r.EstimateUS != nil || !slices.Contains(r.Validity, c.want)) {
					t.Errorf("%s: cost %v, validity %v; want no cost and %s", r.Name, r.EstimateUS, r.Validity, c.want)
				}
				if !bad && !r.IsOK() {
					t.Errorf("%s: %v %s; the others must not suffer", r.Name, r.Validity, r.Detail)
				}
				if bad && c.kind == "exit1" && !strings.Contains(r.Detail, "giving up") {
					t.Errorf("the driver's last words are lost: %q", r.Detail)
				}
			}
			// The file says the same as the outcome.
			files, err := record.Read(k.Path)
			if err != nil || files[0].End == nil || len(files[0].Records) != len(p.Cases) {
				t.Errorf("the file: %v", err)
			}
		})
	}
}

func TestACrashThatDoesNotRepeatCostsNothing(t *testing.T) {
	p := planOf(someOps(4)...)
	// One run in 2,000: some children die, and no model is to blame.
	k := processCampaign(t, p, deviceHead+"faults:\n  - {match: 'conv', at: run, kind: crash, probability: 0.0005}\n", func(q *agent.Protocol) {
		q.Limits.Attempts = 100
		q.Warmup.MaxSeconds = 0.01
	})
	out := runCampaign(t, k)
	if out.End.Failed != 0 {
		t.Errorf("%d cases failed", out.End.Failed)
	}
	data, err := os.ReadFile(k.Path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), `"validity":"crashed:SIGSEGV"`); n == 0 {
		t.Error("no child crashed: the test shows nothing")
	}
}

func TestABrokenRuntimeEndsTheCampaign(t *testing.T) {
	p := planOf(someOps(2)...)
	k := newCampaign(t, p, simDevice(t, ""), nil)
	k.Launch = child.Command{Path: "/bin/sh", Args: []string{"-c", "echo no such symbol >&2; exit 127"}}
	_, err := k.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no such symbol") || !strings.Contains(err.Error(), "exit127") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(k.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a record file was begun: %v", err)
	}
}

// TestKilledCampaignsResume kills a real campaign process, with its real child,
// at 200 random moments and demands the records of an undisturbed run: the same
// cases, costs and validity, none lost, none twice. The device is free of noise,
// so that the costs must be equal to the digit.
func TestKilledCampaignsResume(t *testing.T) {
	kills := tier.Repeats(200)
	p := planOf(someOps(6)...)
	// One model always crashes: faults are resumed as well.
	text := deviceHead + "faults:\n  - {match: 'cout=32,', at: run, kind: exit0, after_runs: 70}\n"
	slow := func(q *agent.Protocol) {
		q.Sample.MinSeconds, q.Stop.MinRounds, q.Stop.MinSamples = 0.02, 30, 150
	}
	calm := processCampaign(t, p, text, slow)
	start := time.Now()
	want := runCampaign(t, calm).Records
	whole := time.Since(start)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	killed, finished, torn := 0, 0, 0
	// The machine may become busier than it was: a campaign that is killed before it has
	// written anything gives all further ones more time.
	span := whole * 6 / 10
	for killed < kills {
		c := processCampaign(t, p, text, slow)
		c.Path = filepath.Join(t.TempDir(), "rec.jsonl")
		config, err := json.Marshal(campaignText{*c.Plan, c.PlanHash, c.Protocol, c.Backend, c.Path, c.Device})
		if err != nil {
			t.Fatal(err)
		}
		for tries, size := 0, int64(0); ; tries++ {
			if tries > 400 {
				t.Fatal("a campaign that is killed again and again does not get on")
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), "ISOCOST_TEST_ROLE=campaign", "ISOCOST_TEST_CAMPAIGN="+string(config))
			var words strings.Builder
			cmd.Stderr = &words
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(rng.Float64()*float64(span)), func() { cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			if err == nil {
				break
			}
			if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() {
				t.Fatalf("the campaign failed by itself: %v: %s", err, words.String())
			}
			killed++
			data, err := os.ReadFile(c.Path)
			if err == nil && len(data) > 0 && data[len(data)-1] != '\n' {
				torn++
			}
			if n := int64(len(data)); n > size {
				size = n
			} else {
				span += span / 10
			}
		}
		finished++
		files, err := record.Read(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		if len(files[0].Records) != len(want) || files[0].End == nil {
			t.Fatalf("%d records, want %d; end %v", len(files[0].Records), len(want), files[0].End)
		}
		for i, e := range files[0].Records {
			got := e.Record
			if got.Case != want[i].Case || !slices.Equal(got.Validity, want[i].Validity) {
				t.Fatalf("record %d: %s %v, want %s %v", i, got.Case, got.Validity, want[i].Case, want[i].Validity)
			}
			if (got.EstimateUS == nil) != (want[i].EstimateUS == nil) || got.EstimateUS != nil && *got.EstimateUS != *want[i].EstimateUS {
				t.Fatalf("%s: cost %v, an undisturbed campaign says %v", got.Name, got.EstimateUS, want[i].EstimateUS)
			}
			if got.N != want[i].N || got.Rounds != want[i].Rounds {
				t.Fatalf("%s: %d samples in %d rounds, an undisturbed campaign took %d in %d", got.Name, got.N, got.Rounds, want[i].N, want[i].Rounds)
			}
		}
	}
	t.Logf("%d kills over %d campaigns of %v, %d torn last lines", killed, finished, whole.Round(time.Millisecond), torn)
}

// launcher calls before ahead of each launch.
func launcher(before func(), next child.Launcher) child.Launcher {
	return launchFunc(func(ctx context.Context) (child.Process, error) { before(); return next.Launch(ctx) })
}

type launchFunc func(context.Context) (child.Process, error)

func (f launchFunc) Launch(ctx context.Context) (child.Process, error) { return f(ctx) }

func TestAnotherCampaignsFileIsRefused(t *testing.T) {
	p := planOf(someOps(2)...)
	d := simDevice(t, "")
	first := newCampaign(t, p, d, nil)
	first.Launch = withFeatures(d, "onednn=off isa=AVX2")
	runCampaign(t, first)
	before, err := os.ReadFile(first.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   string
		change func(*campaign.Campaign)
	}{
		{"another protocol", func(c *campaign.Campaign) { c.Protocol.Seed++ }},
		{"another plan", func(c *campaign.Campaign) { c.PlanHash = strings.Repeat("0", 64) }},
		{"another device", func(c *campaign.Campaign) { c.Device.ID = "other" }},
		{"another provider", func(c *campaign.Campaign) { c.Backend.Provider = "npu" }},
		{"another set of provider options", func(c *campaign.Campaign) { c.Backend.ProviderOptions = map[string]string{"device_id": "1"} }},
		{"another set of library features (onednn=off isa=AVX2 there, onednn=off isa=AVX512_CORE here)", func(c *campaign.Campaign) { c.Launch = withFeatures(d, "onednn=off isa=AVX512_CORE") }},
		{"another set of library features (onednn=off isa=AVX2 there, none stated here)", func(c *campaign.Campaign) { c.Launch = inProcess(d) }},
		{"another runtime library", func(c *campaign.Campaign) {
			c.Launch = withFeatures(simDevice(t, "noise: {jitter: 0.01}\n"), "onednn=off isa=AVX2")
		}},
	} {
		k := newCampaign(t, p, d, nil)
		k.Path, k.Launch = first.Path, first.Launch
		c.change(k)
		_, err := k.Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), first.Path+":1:") {
			t.Errorf("want a refusal of %s, got %v", c.want, err)
		}
	}
	other := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(other, []byte("shopping:\nmilk"), 0o666); err != nil {
		t.Fatal(err)
	}
	k := newCampaign(t, p, d, nil)
	k.Path = other
	launches := 0
	k.Launch = launcher(func() { launches++ }, k.Launch)
	if _, err := k.Run(context.Background()); err == nil || launches > 0 {
		t.Errorf("notes were taken for records: %v after %d children", err, launches)
	}
	if data, _ := os.ReadFile(other); string(data) != "shopping:\nmilk" {
		t.Errorf("the notes were changed to %q", data)
	}
	if after, _ := os.ReadFile(first.Path); string(after) != string(before) {
		t.Error("a refused campaign changed the file")
	}
	// What another agent writes after the file was read, and before it is opened, is noticed.
	k = newCampaign(t, p, d, nil)
	k.Path = filepath.Join(t.TempDir(), "rec.jsonl")
	for _, text := range []string{"", string(before)} {
		if err := os.WriteFile(k.Path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		k.Launch = launcher(func() { os.WriteFile(k.Path, []byte(text+"{}\n"), 0o666) }, inProcess(d))
		if _, err := k.Run(context.Background()); err == nil || hint.Of(err) == "" {
			t.Errorf("a file that was written to meanwhile is continued: %v", err)
		}
		if after, _ := os.ReadFile(k.Path); string(after) != text+"{}\n" {
			t.Errorf("it was changed to %q", after)
		}
	}
	// Continuing a finished campaign measures nothing and changes nothing.
	k = newCampaign(t, p, d, nil)
	k.Path, k.Launch = first.Path, first.Launch
	if out := runCampaign(t, k); !out.Resumed || len(out.Records) != len(p.Cases) {
		t.Errorf("resumed %v with %d records", out.Resumed, len(out.Records))
	}
	if after, _ := os.ReadFile(first.Path); string(after) != string(before) {
		t.Error("looking at a finished campaign changed its file")
	}
}

// TestThreadsOfAChildAreCheckedOnce: once a child, after its models are open; what is found
// ends the campaign.
func TestThreadsOfAChildAreCheckedOnce(t *testing.T) {
	p := planOf(someOps(2)...)
	for _, want := range []error{nil, errors.New("thread 7 may run on CPUs 0-7, outside of 3")} {
		k := processCampaign(t, p, deviceHead, nil)
		looks := 0
		command := k.Launch.(child.Command)
		command.Check = func(pid int) error {
			looks++
			if pid <= 0 || pid == os.Getpid() {
				t.Errorf("process %d", pid)
			}
			return want
		}
		k.Launch = command
		_, err := k.Run(context.Background())
		if !errors.Is(err, want) || looks != 1 {
			t.Errorf("%d looks, error %v; want one and %v", looks, err, want)
		}
	}
}

// TestBrokenLibraryIsOneError: a library that takes the process down whatever it opens ends the
// campaign with one error, not with a crash per case.
func TestBrokenLibraryIsOneError(t *testing.T) {
	text := deviceHead + "faults:\n  - {match: '.', at: open, kind: exit1}\n"
	k := processCampaign(t, planOf(someOps(8)...), text, nil)
	_, err := k.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "opens no model") || !strings.Contains(err.Error(), "driver: giving up") || !strings.Contains(hint.Of(err), "agent runtimes verify") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

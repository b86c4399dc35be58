// Package measure has architectures measured on a device, by starting "agent
// bench" on a small plan. It is the only package of the search that starts it.
package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/agentprogram"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Agent measures with the agent program, all architectures in one campaign with
// interleaved rounds: their ratios are free of drift between campaigns.
type Agent struct {
	Space   space.Lowerer
	Program string   // path of agent
	Args    []string // further arguments of "agent bench": --ort-lib, --protocol…
	Target  string   // local, adb:SERIAL, ssh:USER@HOST
	Dir     string   // folder for plan and records; a campaign found there goes on
	// Project holds what the device has of an architecture; nil: the architecture.
	Project func(space.Arch) space.Arch
	Table   lut.File // whose metric, backend, provider and protocol are used
	Stderr  io.Writer
	// Again bounds the time that all calls of Measure together spend on measuring once more
	// what came back noisy or of a drifting device; 0 takes the first answer.
	Again time.Duration
	again time.Duration // spent
	// Wait sleeps between two campaigns; nil waits by the clock.
	Wait func(context.Context, time.Duration) error
}

// report is the part of "agent bench --json" that is read.
type report struct {
	Backend  string `json:"backend"`
	Version  string `json:"version"`
	Protocol string `json:"protocol_sha256"`
	Device   struct {
		ID    string `json:"id"`
		Model string `json:"model"`
	} `json:"device"`
	Results []struct {
		Kind       role.Role   `json:"kind"`
		Name       string      `json:"name"`
		EstimateUS *float64    `json:"estimate_us"`
		CI95US     *[2]float64 `json:"ci95_us"`
		N          int         `json:"n"`
		Validity   []string    `json:"validity"`
		Detail     string      `json:"detail"`
		Energy     *struct {
			NetMJ    float64 `json:"net_mj"`
			StdErrMJ float64 `json:"std_err_mj"`
		} `json:"energy"`
		Memory *struct {
			PeakActBytes  *int64 `json:"peak_activation_bytes"`
			LivenessBytes *int64 `json:"liveness_bytes"`
		} `json:"memory"`
	} `json:"results"`
}

// Measure implements search.Measurer. One measurement per architecture comes
// back, in order, the first's value in the same campaign beside it; one that failed has
// value 0 and says why in its validity. What comes back noisy or of a drifting device is
// measured again with the first, for up to Again.
func (a *Agent) Measure(ctx context.Context, archs []space.Arch) ([]search.Measurement, error) {
	if a.Project != nil {
		own := make([]space.Arch, len(archs))
		for i, x := range archs {
			own[i] = a.Project(x)
		}
		archs = own
	}
	out, err := a.campaign(ctx, archs, 0)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[0].Valid() {
			out[i].Reference = out[0].Value
		}
	}
	return out, a.repeat(ctx, archs, out)
}

// The wait before a campaign is measured again: what disturbs a host comes and goes in
// minutes, so each wait is twice the one before, from firstWait to longestWait.
const (
	firstWait   = 5 * time.Second
	longestWait = time.Minute
)

// repeat measures what is not known beside the first until it is, or Again is over, and says
// how long that took.
func (a *Agent) repeat(ctx context.Context, archs []space.Arch, out []search.Measurement) error {
	wait, attempts, before := firstWait, 0, a.again
	say := func(format string, args ...any) {
		if a.Stderr != nil {
			fmt.Fprintf(a.Stderr, "isosearch: "+format+"\n", args...)
		}
	}
	spent := func() time.Duration { return (a.again - before).Round(time.Second) }
	for {
		open := unknown(out)
		switch {
		case len(open) == 0 && attempts > 0:
			say("measured again %s in %s: every ratio is known", times(attempts), spent())
			return nil
		case len(open) == 0:
			return nil
		case a.again+wait > a.Again:
			if attempts > 0 {
				say("measured again %s in %s: %d of %d are still without a ratio", times(attempts), spent(), len(open), len(out))
			}
			return nil
		}
		again := []space.Arch{archs[0]}
		for _, i := range open {
			if i > 0 {
				again = append(again, archs[i])
			}
		}
		say("%d of %d measured %s: again in %s", len(open), len(out), why(out, open), wait)
		if err := a.wait(ctx, wait); err != nil {
			return err
		}
		a.again += wait
		attempts++
		wait = min(2*wait, longestWait)
		began := time.Now()
		got, err := a.campaign(ctx, again, attempts)
		if err != nil {
			return err
		}
		a.again += time.Since(began)
		if out[0].Value == 0 || !out[0].Valid() && got[0].Valid() {
			out[0] = got[0]
			if got[0].Valid() {
				out[0].Reference = got[0].Value
			}
		}
		at := 0
		for _, i := range open {
			if i == 0 {
				continue
			}
			at++
			if m := got[at]; m.Valid() || !out[i].Valid() {
				out[i] = m
				if got[0].Valid() {
					out[i].Reference = got[0].Value
				}
			}
		}
	}
}

// unknown lists the architectures whose ratio to the first is not known although measuring
// again might tell it; the first alone when it is the only one.
func unknown(ms []search.Measurement) (open []int) {
	for i := range ms {
		if m := &ms[i]; !(m.Valid() && m.Reference > 0) && (passing(m) || m.Valid() && passing(&ms[0])) {
			open = append(open, i)
		}
	}
	return open
}

// ofTheMoment are the validity codes (docs/formats.md) of a device that had other things to do.
var ofTheMoment = []string{"noisy", "drift", "throttled", "preempted", "thermal-timeout"}

// passing reports whether what is against a measurement is of the moment, not of the
// architecture.
func passing(m *search.Measurement) bool {
	if len(m.Validity) == 0 {
		return false
	}
	for _, v := range m.Validity {
		if !slices.Contains(ofTheMoment, v) {
			return false
		}
	}
	return true
}

// why lists what is against the measurements of a list, each code once.
func why(ms []search.Measurement, list []int) string {
	var codes []string
	for _, i := range list {
		for _, v := range ms[i].Validity {
			if v != "ok" && !slices.Contains(codes, v) {
				codes = append(codes, v)
			}
		}
	}
	if len(codes) == 0 {
		return "beside an anchor without a cost"
	}
	return strings.Join(codes, ", ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (a *Agent) wait(ctx context.Context, d time.Duration) error {
	if a.Wait != nil {
		return a.Wait(ctx, d)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// campaign measures architectures in one campaign; of the second and later attempts the
// records stand beside those of the first.
func (a *Agent) campaign(ctx context.Context, archs []space.Arch, attempt int) ([]search.Measurement, error) {
	planner := &benchmarks.Planner{Seed: 1, Source: a.Space.Hash(), Modules: a.modules()}
	for _, x := range archs {
		chain, err := a.Space.Lower(x)
		if err != nil {
			return nil, fmt.Errorf("lower %s: %w", x.Key(), err)
		}
		if err := planner.Network("", x.Key(), chain); err != nil {
			return nil, err
		}
	}
	plan := planner.Plan()
	if err := a.copyModules(plan); err != nil {
		return nil, err
	}
	path := filepath.Join(a.Dir, "plan-"+plan.SHA256()[:12]+".jsonl")
	if err := atomicfile.Write(path, plan.Encode(), 0o644); err != nil {
		return nil, err
	}
	records := filepath.Join(a.Dir, "rec-"+plan.SHA256()[:12])
	if attempt > 0 {
		records += fmt.Sprintf("-%d", attempt+1)
	}
	records += ".jsonl"
	args := []string{"--plan", path, "-o", records, "--json"}
	if b := a.Table.Runtime.Backend; b != "" {
		args = append(args, "--backend", b)
	}
	if p := a.Table.Runtime.Provider; p != "" {
		args = append(args, "--provider", p)
	}
	// The table's own protocol: estimator, threads, cores, metrics and the rest. Costs
	// under another are other costs (a median reads 8 % above the minimum on a virtual
	// host), and deviations from the prediction would be the protocols'.
	if y := a.Table.Protocol.YAML; y != "" {
		path := filepath.Join(a.Dir, "protocol-"+a.Table.Protocol.SHA256[:12]+".yaml")
		if err := atomicfile.Write(path, []byte(y), 0o644); err != nil {
			return nil, err
		}
		args = append(args, "--protocol", path)
	} else if n := a.Table.Runtime.Threads; n > 0 {
		args = append(args, "--threads", strconv.Itoa(n))
	}
	if a.Target != "" && a.Target != "local" {
		args = append(args, "--target", a.Target)
	}
	args = append(args, a.Args...)
	text, err := a.bench(ctx, args)
	// A time too short for any interval, as it is on a busy host, is refused with what would
	// do: that much of what may be spent on measuring again is spent at once.
	if need := agentprogram.NeededSeconds(text); err != nil && need > 0 && need <= (a.Again-a.again).Seconds() {
		a.again += time.Duration(need * float64(time.Second))
		text, err = a.bench(ctx, append(args, fmt.Sprintf("--max-time=%gs", need)))
	}
	if err != nil {
		return nil, err
	}
	got, device, err := read(text, archs, a.Table.Metric)
	if want := a.Table.Device.ID; err == nil && want != "" && device != want {
		return nil, hint.Wrap(fmt.Errorf("measured on device %s, but the table is of %s (%s)", device, want, a.Table.Device.Model),
			"name the table's own device with --measure")
	}
	if err == nil {
		err = sealed(got, records)
	}
	return got, err
}

// bench runs agent bench and returns what it printed.
func (a *Agent) bench(ctx context.Context, args []string) ([]byte, error) {
	var out bytes.Buffer
	err := agentprogram.Bench(ctx, a.Program, args, &out, a.Stderr)
	return out.Bytes(), err
}

// modules are the space's, with files in a folder of the plan's own: a plan is pushed to
// another device with what lies beside it.
func (a *Agent) modules() *benchmarks.Library {
	own, _ := space.ModulesOf(a.Space).Named(func(f benchmarks.ModuleForm) (string, error) {
		return "modules/" + f.SHA256 + filepath.Ext(f.File), nil
	})
	return own
}

// copyModules puts the files of the plan's modules beside it.
func (a *Agent) copyModules(plan *benchmarks.Plan) error {
	files := plan.ModuleFiles()
	if len(files) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(a.Dir, "modules"), 0o755); err != nil {
		return err
	}
	for _, f := range files {
		from, err := space.ModulesOf(a.Space).Of(benchmarks.Chain{f.Key})
		if err != nil {
			return err
		}
		for i, form := range f.Forms() {
			to := filepath.Join(a.Dir, filepath.FromSlash(form.File))
			if sum, err := filehash.SHA256(context.Background(), to); err == nil && sum == form.SHA256 {
				continue
			}
			data, err := os.ReadFile(from[0].Forms()[i].File)
			if err != nil {
				return err
			}
			if err := atomicfile.Write(to, data, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealed notes in measurements the hash of the file they were read from.
func sealed(ms []search.Measurement, records string) error {
	sum, err := filehash.SHA256(context.Background(), records)
	if errors.Is(err, os.ErrNotExist) { // an agent that wrote none
		return nil
	}
	for i := range ms {
		ms[i].Records = sum
	}
	return err
}

// read pairs the results with the architectures by name; metric is the table's.
func read(text []byte, archs []space.Arch, metric lut.Metric) (ms []search.Measurement, device string, err error) {
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, "", fmt.Errorf("agent bench --json wrote %.80q: %w", text, err)
	}
	out := make([]search.Measurement, len(archs))
	for i, x := range archs {
		m := search.Measurement{Metric: metric, Unit: lut.Units[metric], Validity: []string{"missing"}, Device: r.Device.ID, Protocol: r.Protocol}
		for _, c := range r.Results {
			if c.Kind != role.Network || c.Name != x.Key() {
				continue
			}
			m.Validity, m.N = c.Validity, c.N
			switch {
			case metric == lut.Latency && c.EstimateUS != nil && c.CI95US != nil && *c.EstimateUS > 0:
				m.Value, m.Lo, m.Hi = *c.EstimateUS, c.CI95US[0], c.CI95US[1]
			case metric == lut.Energy && c.Energy != nil && c.Energy.NetMJ > 0:
				half := 1.96 * c.Energy.StdErrMJ // 95 %, normal
				m.Value, m.Lo, m.Hi = c.Energy.NetMJ, max(0, c.Energy.NetMJ-half), c.Energy.NetMJ+half
			case metric == lut.Memory && c.Memory != nil:
				// As costgen: the allocator's peak where the runtime tells it, else the bound
				// by liveness.
				b := c.Memory.PeakActBytes
				if b == nil || *b == 0 {
					b = c.Memory.LivenessBytes
				}
				if b != nil && *b > 0 {
					v := float64(*b)
					m.Value, m.Lo, m.Hi = v, v, v
				}
			}
		}
		out[i] = m
	}
	return out, r.Device.ID, nil
}

var _ search.Measurer = (*Agent)(nil)

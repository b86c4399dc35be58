package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/tflite"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/modelplan"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

func benchCommand() cli.Command {
	return cli.Command{
		Name: "bench", Args: "[model…]",
		Short: "measures a plan, or models, under the protocol",
		Long: `
Cases are measured in interleaved rounds until their intervals are narrow enough; a drift reference is
measured throughout; a crash or a hang of a driver costs a record, not the campaign. Every sample is journaled in the record
file, and the same command continues a campaign that was interrupted or killed.

With --model (or plain arguments) whole models are measured, interleaved, each with its load time, first run,
interval and memory; -o is optional then.`,
		Example: `agent bench --plan plan.jsonl --backend ort --provider cpu --max-time 10s -o rec.jsonl
  agent bench net.onnx other.onnx --dim batch=1 --max-time 20s`,
		Finishes: true,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o benchOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error {
				o.Models = append(o.Models, args...)
				return o.run(ctx, env, flags)
			}
		},
	}
}

type benchOptions struct {
	backendOptions
	targetOptions
	Plan          string
	Models        []string
	Protocol      string
	Threads       int
	Cores         string
	Metrics       []string
	Estimator     agent.Estimator
	NumericCheck  bool
	Seed          uint64
	Dims          modelfile.Dims
	Signature     string
	Inputs        []string
	ListIO        bool
	PrintProtocol bool
	MaxTime       time.Duration
	Memory        cli.Bytes
	Output        string
	ForHost       bool
	JSON          bool
	Sysroot       string
}

func (o *benchOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Plan, "plan", "", "measure this plan `FILE`")
	flags.StringArrayVarP(&o.Models, "model", "m", nil, "measure this model `FILE` (.onnx, .tflite); may be repeated")
	o.backendOptions.AddFlags(flags)
	flags.StringVar(&o.Protocol, "protocol", "", "measure by this protocol `FILE` (default: the built-in one, see --print-protocol)")
	flags.IntVarP(&o.Threads, "threads", "t", 0, "number of intra-op threads (default: the protocol's)")
	flags.StringVar(&o.Cores, "cores", "", "measure on this cluster (little, mid, big, prime) or these CPUs (0-3,6) (default: the protocol's)")
	flags.StringSliceVar(&o.Metrics, "metric", nil, "metrics to measure: latency, energy, memory (default: the protocol's)")
	flags.StringVar((*string)(&o.Estimator), "estimator", "", "statistic of the samples that is the cost: median, quantile or min (default: the protocol's)")
	flags.BoolVar(&o.NumericCheck, "numeric-check", true, "compare outputs of reduced precisions and other providers with fp32 on the CPU, after the rounds; a mismatch gives no cost")
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of orders and inputs (default: the protocol's)")
	flags.VarP(&o.Dims, "dim", "f", modelfile.DimHelp)
	flags.StringVar(&o.Signature, "signature", "", modelfile.SignatureHelp)
	flags.StringArrayVar(&o.Inputs, "input", nil, "feed `[MODEL/]NAME=FILE.npy` instead of a synthesised input; may be repeated")
	flags.BoolVar(&o.ListIO, "list-io", false, "list the models' inputs and outputs and stop")
	flags.DurationVar(&o.MaxTime, "max-time", 0, "longest device time of the whole campaign; one too short for any interval is refused before it measures (default: no limit)")
	flags.Var(&o.Memory, "memory", "most `BYTES` that models open at the same time may take, such as 3GB (default: half of what is free)")
	flags.StringVarP(&o.Output, "output", "o", "", "write records to this `FILE`; a campaign found there is continued")
	flags.BoolVar(&o.JSON, "json", false, "print the results as JSON")
	flags.BoolVar(&o.PrintProtocol, "print-protocol", false, "print the protocol with all flags applied and stop")
	flags.StringVar(&o.Sysroot, "sysroot", "/", "read the device from this `DIR`")
	flags.MarkHidden("sysroot")
	flags.BoolVar(&o.ForHost, "for-host", false, "a host asks, and names the record file that it keeps by itself")
	flags.MarkHidden("for-host")
	cli.Group(flags, "Models", "dim", "signature", "input", "list-io")
	cli.Group(flags, "Protocol", "protocol", "threads", "cores", "metric", "estimator", "seed", "print-protocol")
	o.targetOptions.AddFlags(flags)
}

// protocol is the protocol file, or the built-in one, with the flags applied.
func (o *benchOptions) protocol(flags *pflag.FlagSet) (agent.Protocol, error) {
	p := agent.DefaultProtocol()
	if o.Protocol != "" {
		var err error
		if p, err = agent.ReadProtocol(o.Protocol); err != nil {
			return p, err
		}
	}
	set := func(name string, apply func()) {
		if flags.Changed(name) {
			apply()
		}
	}
	set("threads", func() { p.Threads = o.Threads })
	set("cores", func() { p.Cores = o.Cores })
	set("metric", func() {
		p.Metrics = nil
		for _, m := range o.Metrics {
			p.Metrics = append(p.Metrics, lut.Metric(m))
		}
	})
	set("estimator", func() { p.Estimator = o.Estimator })
	set("numeric-check", func() { p.Check.Numeric = o.NumericCheck })
	set("seed", func() { p.Seed = o.Seed })
	if len(p.Metrics) > 0 && !slices.Contains(p.Metrics, lut.Latency) {
		p.Metrics = append([]lut.Metric{lut.Latency}, p.Metrics...)
	}
	if err := p.Validate(); err != nil {
		return p, cli.Usage(err)
	}
	return p, nil
}

// plan reads the plan, or makes one of the models.
func (o *benchOptions) plan(ctx context.Context, env cli.Env, p agent.Protocol) (plan *benchmarks.Plan, inputs map[string]string, dir string, err error) {
	switch {
	case o.Plan != "" && len(o.Models) > 0:
		return nil, nil, "", cli.Usagef("give --plan or models, not both")
	case o.Plan != "":
		if len(o.Dims)+len(o.Inputs)+len(o.Signature) > 0 {
			return nil, nil, "", cli.Usagef("--dim, --signature and --input go with --model; a plan names its own")
		}
		plan, err = benchmarks.OpenPlan(o.Plan)
		if err != nil {
			return nil, nil, "", err
		}
		dir = filepath.Dir(o.Plan)
		for _, m := range plan.Models {
			if m.File != "" {
				if err := agent.CheckFile(filepath.Join(dir, m.File), m.SHA256); err != nil {
					return nil, nil, "", err
				}
			}
		}
		if err := o.modules(plan, dir); err != nil {
			return nil, nil, "", err
		}
		return plan, nil, dir, nil
	case len(o.Models) > 0:
		plan, inputs, err := o.ofModels(ctx, env, p)
		return plan, inputs, "", err
	}
	return nil, nil, "", cli.Usagef("nothing to measure: give --plan FILE or --model FILE")
}

// modules checks that the plan's modules are at hand, and that the runtime can run them.
func (o *benchOptions) modules(plan *benchmarks.Plan, dir string) error {
	files := plan.ModuleFiles()
	if _, err := benchmarks.OpenLibrary(files, dir); err != nil {
		return err
	}
	if len(files) == 0 || o.Backend == "ort" || o.Backend == "sim" {
		return nil
	}
	for _, m := range files {
		if o.Backend == tflite.Name && m.TFLite != nil {
			continue
		}
		return hint.Wrap(fmt.Errorf("plan %s is of modules, and the backend %s cannot run the form that module %s has: %s", o.Plan, o.Backend, m.Key.Attr("name"), m.File),
			"--backend ort; for LiteRT give every module a .tflite form: isocost.Space.save(…, tflite=convert)")
	}
	return nil
}

// atBatch measures at the batch that the plan's keys were taken at. A protocol file that
// says another is an error: one of the two would be ignored.
func (o *benchOptions) atBatch(plan *benchmarks.Plan, p *agent.Protocol) error {
	if plan.Batch == 0 || max(p.Batch, 1) == plan.Batch {
		return nil
	}
	if o.Protocol != "" {
		return cli.Usage(hint.Wrap(fmt.Errorf("%s was planned at batch %d, %s has batch %d", o.Plan, plan.Batch, o.Protocol, p.Batch),
			"write batch: %d into the protocol, or plan the models with another --dim", plan.Batch))
	}
	p.Batch = plan.Batch
	return nil
}

// ofModels plans the models as they are, and names the file of each input that has one.
func (o *benchOptions) ofModels(ctx context.Context, env cli.Env, p agent.Protocol) (*benchmarks.Plan, map[string]string, error) {
	files, err := openModels(env, o.Models, o.Signature)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		if f.Format == modelfile.Kernels {
			return nil, nil, cli.Usage(hint.Wrap(fmt.Errorf("%s holds the kernels of a model, which nothing runs", f.Path), "give the model itself"))
		}
	}
	inputs := map[string]string{}
	for _, text := range o.Inputs {
		name, path, ok := modelplan.SplitInput(text, files)
		if _, twice := inputs[name]; !ok || twice {
			return nil, nil, cli.Usagef("--input %q is not NAME=FILE.npy, or is given twice", text)
		}
		inputs[name] = path
	}
	whole := modelplan.Whole{Seed: p.Seed, Dims: o.Dims, Arrays: map[string]modelplan.Array{}, FreeBytes: o.freeBytes(), ElementBytes: agent.ElementBytes,
		Sizes: modelplan.Sizes{Batch: p.Batch, Sequence: p.Sequence, Resolution: p.Resolution}}
	for name, path := range inputs {
		a, err := agent.ReadNPY(path)
		if err != nil {
			return nil, nil, fmt.Errorf("input %s: %w", name, err)
		}
		whole.Arrays[name] = modelplan.Array{DType: a.DType, Shape: a.Shape}
	}
	plan, given, err := whole.Plan(ctx, files)
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	for in, array := range given {
		given[in] = inputs[array]
	}
	return plan, given, nil
}

// freeBytes is the memory available here; 0 when that is not known, or another machine
// measures.
func (o *benchOptions) freeBytes() int64 {
	d, err := device.Open(o.Sysroot)
	if err != nil || o.remote() {
		return 0
	}
	if free := d.Snapshot().FreeBytes; free != nil {
		return *free
	}
	return 0
}

func (o *benchOptions) run(ctx context.Context, env cli.Env, flags *pflag.FlagSet) error {
	if o.MaxTime < 0 {
		return cli.Usagef("--max-time %v is negative", o.MaxTime)
	}
	protocol, err := o.protocol(flags)
	if err != nil {
		return err
	}
	if o.PrintProtocol {
		_, err := fmt.Fprint(env.Stdout, protocol.Canonical())
		return err
	}
	if o.ListIO {
		return listIO(env, o.Models, o.Signature, o.JSON)
	}
	if o.Output == "-" {
		return cli.Usage(hint.Wrap(errors.New("-o -: records are appended and read back, which standard output cannot"),
			"give -o FILE; --json prints the results"))
	}
	plan, inputs, dir, err := o.plan(ctx, env, protocol)
	if err != nil {
		return err
	}
	if err := o.atBatch(plan, &protocol); err != nil {
		return err
	}
	if err := o.chooseFor(plan, dir, flags); err != nil {
		return err
	}
	spec, err := o.spec()
	if err != nil {
		return err
	}
	spec.PlanDir, spec.Inputs = dir, inputs
	output := o.Output
	if output == "" {
		if o.Plan != "" {
			return cli.Usagef("a plan's records need a file: give -o rec.jsonl")
		}
		tmp, err := os.MkdirTemp("", "agent-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		output = filepath.Join(tmp, "rec.jsonl")
	}
	if o.remote() {
		return o.benchThere(ctx, env, flags, plan, output)
	}
	c := &campaign.Campaign{
		Plan: plan, PlanHash: plan.SHA256(), Protocol: protocol, Backend: spec, Path: output, Agent: version,
		Boot: bootID(), MaxSeconds: o.MaxTime.Seconds(), MemoryBytes: int64(o.Memory), Now: time.Now, Flags: map[string]string{},
	}
	// Before the device's state is read: what the policy sets is not throttling.
	if o.Backend != "sim" {
		d, err := device.Open(o.Sysroot)
		if err != nil {
			return err
		}
		release, evidence, err := holdClocks(ctx, env, d, protocol.Clock)
		if err != nil {
			return err
		}
		if evidence != "" {
			c.Flags["clock"] = protocol.Clock + ", " + evidence
		}
		defer release()
	}
	if err := o.onDevice(env, c, protocol); err != nil {
		return err
	}
	progress := cli.NewProgress(env.Stderr, env.Getenv)
	c.Progress = func(p campaign.Progress) {
		s := cli.State{Label: p.Stage, Done: p.Done, Left: time.Duration(p.LeftS * float64(time.Second)), Valid: p.Finished, Failed: p.Failed,
			Total: p.Cases, Note: fmt.Sprintf("round %d  %s", p.Round+1, p.Case)}
		if p.Stage == "opening" {
			s.Note = plural(p.Open, "model") + " open"
		}
		if p.State != nil && p.State.Celsius != nil {
			s.Temp = *p.State.Celsius
		}
		progress.Show(s)
	}
	c.Notice = func(n campaign.Notice) {
		progress.Done()
		sayDrift(env.Stderr, n, o.Output != "")
	}
	out, err := c.Run(ctx)
	progress.Done()
	var short *campaign.TooShort
	if errors.As(err, &short) && o.JSON {
		if err := json.NewEncoder(env.Stdout).Encode(map[string]float64{"need_s": short.NeedS}); err != nil {
			return err
		}
	}
	if err != nil {
		if ctx.Err() != nil && o.Output == "" {
			return hint.Wrap(ctx.Err(), "nothing was kept: with -o FILE an interrupted campaign goes on")
		}
		if ctx.Err() != nil && o.ForHost {
			return ctx.Err()
		}
		if ctx.Err() != nil {
			if _, err := os.Stat(output); errors.Is(err, os.ErrNotExist) {
				return hint.Wrap(ctx.Err(), "nothing was measured yet: run the same command again")
			}
			return hint.Wrap(ctx.Err(), "what was measured is in %s; run the same command again to go on", output)
		}
		return err
	}
	if o.JSON {
		err = summaryJSON(env.Stdout, plan, out)
	} else if o.Plan != "" {
		if o.ForHost {
			output = ""
		}
		err = summaryPlan(env.Stdout, plan, out, output)
	} else {
		err = summaryModels(env.Stdout, plan, out)
	}
	if err != nil {
		return err
	}
	return o.verdict(out)
}

// verdict is the error of a campaign that finished with cases that have no cost. Of
// models only those that were asked for count, not the drift reference beside them.
func (o *benchOptions) verdict(out *campaign.Outcome) error {
	what, failed, all := "cases", 0, 0
	var records []*record.Record
	for _, r := range out.Records {
		if o.Plan == "" && r.Kind != role.Network {
			continue
		}
		records = append(records, r)
		if all++; r.EstimateUS == nil {
			failed++
		}
	}
	why, more := "their records say why: validity and detail", "allow more time, with another -o, or plan less"
	if o.Plan == "" {
		what, why, more = "models", "", "allow more time"
	}
	if failed == 0 {
		return nil
	}
	if short := shortOfTime(records); short != "" {
		return cli.Partial(hint.Wrap(fmt.Errorf("%d of %d %s had no interval when --max-time was over (%s)", failed, all, what, short), "%s", more))
	}
	err := fmt.Errorf("%d of %d %s failed", failed, all, what)
	if why != "" {
		err = hint.Wrap(err, "%s", why)
	}
	return cli.Partial(err)
}

// shortOfTime is the detail of the cases that had too little time, when these are all
// that failed.
func shortOfTime(records []*record.Record) string {
	detail := ""
	for _, r := range records {
		if r.EstimateUS != nil {
			continue
		}
		if r.Stop != record.StopMaxTime {
			return ""
		}
		detail = r.Detail
	}
	return detail
}

// limits returns what the process may use where that is less than the machine has, for the
// record file's header; the CPUs it may run on are the device's cores.
func limits(s device.State) map[string]string {
	out := map[string]string{}
	if s.CPUQuota != nil {
		out["cpu_quota"] = fmt.Sprintf("%.3g CPUs' worth of time", *s.CPUQuota)
	}
	if s.MemoryLimit != nil {
		out["memory_limit"] = fmt.Sprintf("%d bytes", *s.MemoryLimit)
	}
	return out
}

// onDevice fills in what is known of the machine: the simulated device has its
// own identity and no sensors here.
func (o *benchOptions) onDevice(env cli.Env, c *campaign.Campaign, p agent.Protocol) error {
	d, err := device.Open(o.Sysroot)
	if err != nil {
		return err
	}
	dev, set, err := thisDevice(d, p.Cores)
	if err != nil {
		return err
	}
	launch, err := childCommand(set, p.Cores != "" && o.Backend != "sim")
	if err != nil {
		return err
	}
	c.Launch = launch
	if c.MemoryBytes == 0 {
		if s := d.Snapshot(); s.FreeBytes != nil {
			c.MemoryBytes = *s.FreeBytes / 2
		}
	}
	if o.Backend == "sim" {
		c.Repeatable = true
		c.Device = lut.Device{ID: "sim:" + filepath.Base(o.Sim.Device), Model: "simulated device", CPU: "none", OS: "none", Arch: "none"}
		c.MeterAbsent = "the device file says nothing of power"
		return nil
	}
	if w := crowded(p.Threads, set, d.Snapshot().CPUQuota); w != "" {
		fmt.Fprintf(env.Stderr, "agent: warning: %s\n", w)
	}
	maps.Copy(c.Flags, limits(d.Snapshot()))
	c.Device = dev
	c.Caution = o.caution(d, c.Backend)
	c.Sense = sense(d)
	if slices.Contains(p.Metrics, "energy") {
		c.Meter, c.MeterAbsent = energyMeter(d, o.Provider)
	}
	if device.Emulated() != "" {
		c.Validity = append(c.Validity, record.EmulatedCPU)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anchors"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/measure"
	"github.com/isocost/isocost/search/space"
)

func runCommand() cli.Command {
	return cli.Command{
		Name:  "run",
		Short: "searches from an anchor at equal cost and writes a certificate",
		Long: `
Explores the band of the anchor's cost first, then starts from the best of it: changes one layer at a time, restores the anchor's cost by width and precision, and compares noisy utilities until
no single compensated change improves the result by more than epsilon, with probability at least 1-delta.
Killed or interrupted, the same command goes on. A larger --budget may be given then; --workers never changes the result.
Several --anchors are searched from one after another, each in a run directory inside and with a budget of its own;
pareto.json then compares where they ended.

Evaluators:
  onnx                             training-free utilities (NASWOT and ACor), computed by "agent forward"
  table:FILE[,noise=gaussian|S]    a tabular benchmark; its samples are drawn without replacement, or simulated
                                   (common=SHARE of the noise at common seeds, bias=B of low fidelities)
  exec:CMD                         any program: JSON lines on standard input and output`,
		Example:  "isosearch run --space examples/mobile-cnn/space.yaml --lut device.lut.json --evaluator onnx --epsilon 4 --budget 200 -o run/",
		Finishes: true,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			o := runOptions{Settings: search.DefaultSettings()}
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

type runOptions struct {
	search.Settings
	Space      string
	Tables     []string
	Evaluator  string
	Anchor     string
	Anchors    []string // as anchors.List takes them; nil for one anchor
	Final      string
	Sigma      string
	SigmaDiff  string
	Fidelities string // as ParseFidelities takes them
	Explore    string // as explore.Parse takes it
	Start      string
	Known      string
	Certify    string
	Range      []float64
	Out        string
	Budget     int
	Workers    int
	Timeout    time.Duration
	Retries    int
	Agent      string
	ORTLib     string
	Measure    []string
	TableTau   map[string]string
	Precision  string
	BenchArgs  []string
	Report     string
	// MeasureAgain bounds the time for measuring again.
	MeasureAgain time.Duration
	JSON         bool
	given        func(flag string) bool // on the command line
}

// defaultExplore is the exploration of a search that can explore: as long as the
// certificate will take (decision 0513).
const defaultExplore = "gp:auto"

func (o *runOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Space, "space", "", "search space to search, or a tabular one")
	f.StringSliceVar(&o.Tables, "lut", nil, "cost tables, one band per table; space:METRIC for the space's own cost: a column of a tabular one, flops or params of networks")
	f.StringVar(&o.Evaluator, "evaluator", "", "evaluator of utilities: onnx, table:FILE or exec:CMD")
	f.StringVar(&o.Final, "final", "", "evaluator of final utilities: how well --evaluator orders architectures in the band is measured after the search")
	f.StringVarP(&o.Out, "output", "o", "", "directory to write the run to")
	f.StringVar(&o.Anchor, "anchor", "", "architecture to start from, as its key (default: the space's)")
	f.StringVar(&o.Explore, "explore", defaultExplore, "find a start in the whole band first, with N evaluations: gp:N, evolution:N, random:N or none; auto for N explores about twice as long as the certificate will take, by 40 to 320 evaluations, and by 160 where it would be vacuous")
	f.StringVar(&o.Certify, "certify", "neighbours", "subject of the claim: neighbours, or band:P to claim as well that at most a share P of all networks of this cost is better")
	f.StringVar(&o.Start, "start", "", "begin at this architecture of the anchor's band, as its key")
	f.StringVar(&o.Known, "evaluations", "", "explore from the evaluations of an earlier search of the same space and evaluator, given as its run directory or journal")
	o.given = f.Changed
	f.StringSliceVar(&o.Anchors, "anchors", nil, "start a search from each of these architectures, `KEY,KEY`; random:N draws N with the seed")
	f.Float64Var(&o.Settings.Tau, "tau", o.Settings.Tau, "half-width of the band around the anchor's cost, a fraction")
	f.StringToStringVar(&o.TableTau, "table-tau", nil, "half-width of one table's band, `NAME=FRACTION`, instead of tau; may be repeated")
	f.StringVar(&o.Precision, "precision", "common", "precision of a layer on the devices of several tables: common, or per-device")
	f.Float64Var(&o.Settings.Epsilon, "epsilon", o.Settings.Epsilon, "gain in utility that no single change may exceed, in the evaluator's unit")
	f.Float64Var(&o.Settings.Delta, "delta", o.Settings.Delta, "largest probability that the claim is false")
	f.Float64Var(&o.Settings.Move, "move", 0, "least improvement worth a move, in the evaluator's unit (default: epsilon/10)")
	f.Float64Var(&o.Settings.MoveScore, "move-score", o.Settings.MoveScore, "number of standard errors by which an improvement must exceed --move; no claim rests on it, and 2 or 3 save measurements with --measure")
	f.StringVar(&o.Sigma, "sigma", "", "standard deviation of one sample's noise; 0 for a deterministic evaluator (default: not known, see --noise)")
	f.Float64SliceVar(&o.Range, "utility-range", nil, "least and largest utility there can be, `LO,HI`, as of an accuracy: bounds then assume no noise level")
	f.StringVar((*string)(&o.Settings.Noise), "noise", string(search.NoiseAuto), "whose size of noise bounds rest on: auto (one for all networks, declared or by samples in pairs, until those of a network contradict it; then each one's own), shared (one for all, declared or calibrated first) or per-network (each one's own, from the samples its bound rests on)")
	f.StringVar((*string)(&o.Settings.Robust), "robust", "", "compare median utilities, given as median: rare diverged samples hardly count, and no noise level is assumed")
	f.StringVar(&o.Settings.Validation, "validation", "", "name of the data that every sample is judged by, as in \"the 10,000 validation images\": the claim says so")
	f.StringVar(&o.SigmaDiff, "sigma-diff", "", "standard deviation of a difference at a common seed, for the selector paired (default: calibrated first)")
	f.StringVar(&o.Fidelities, "fidelities", "", "fidelities of the selector multi-fidelity, VALUE[:BIAS[:SIGMA]],… rising; without a bias bound they only order")
	f.IntVar(&o.Settings.SigmaArchs, "sigma-archs", o.Settings.SigmaArchs, "number of architectures to calibrate the noise on, which --noise shared does")
	f.IntVar(&o.Settings.SigmaRepeats, "sigma-repeats", o.Settings.SigmaRepeats, "number of samples per architecture that calibrates the noise")
	f.IntVar(&o.Budget, "budget", 0, "number of evaluations to stop after (default: no limit)")
	f.Uint64Var(&o.Settings.Seed, "seed", 1, "seed of all randomness")
	f.IntVar(&o.Workers, "workers", 1, "number of evaluations at a time")
	f.StringVar((*string)(&o.Settings.Selector), "selector", string(o.Settings.Selector), "rule that chooses what is sampled next: "+search.SelectorNames())
	f.StringVar((*string)(&o.Settings.Neighbours), "neighbours", string(search.NeighboursCanonical), "compensations that count as neighbours: canonical (per choice the nearest width and precision), all (every one inside the band) or exchange (also those whose cost another layer makes up for)")
	f.StringVar((*string)(&o.Settings.Scope), "scope", string(o.Settings.Scope), "candidates compared at a time: layer (sweeps layer by layer) or all (the whole neighbourhood at once)")
	f.StringVar((*string)(&o.Settings.Schedule), "schedule", string(o.Settings.Schedule), "rule that shares out delta: epochs (a share per incumbent) or comparisons")
	f.IntVar(&o.Settings.Batch, "batch", 4, "number of candidates sampled between two looks; as many can be evaluated at a time")
	f.IntVar(&o.Settings.Fresh, "fresh", 16, "number of fresh-seed samples each of anchor and final that the reported gain rests on")
	f.BoolVar(&o.Settings.EnforceTrueBand, "enforce-true-band", false, "narrow the band by the table's audited error")
	f.BoolVar(&o.Settings.IntervalBand, "interval-band", false, "require the whole prediction interval to be in the band")
	f.BoolVar(&o.Settings.Published, "as-published", false, "run the plain algorithm as published, for comparison; certifies nothing")
	f.DurationVar(&o.Timeout, "timeout", 0, "longest time per evaluation (default: no limit)")
	f.IntVar(&o.Retries, "retries", 2, "number of further attempts after a failed evaluation")
	f.StringVar(&o.Agent, "agent", "", "agent program to run (default: beside this one, else in the path)")
	f.StringVar(&o.ORTLib, "ort-lib", "", "ONNX Runtime library to hand on to agent")
	f.StringSliceVar(&o.Measure, "measure", nil, "measure each candidate before it is accepted, and refuse it outside the band: local, adb:SERIAL or ssh:USER@HOST; one per table, none for no device")
	f.StringArrayVar(&o.BenchArgs, "measure-arg", nil, "hand this `ARGUMENT` to agent bench too, such as --max-time=20s; may be repeated")
	f.StringVar(&o.Report, "report", "", "HTML `file` to write the report to, also while the search is under way: at most every 10 s, by a page that loads itself again")
	f.BoolVar(&o.JSON, "json", false, "print the certificate")
	cli.Group(f, "Anchors", "anchor", "anchors")
	cli.Group(f, "Exploration", "explore", "start", "evaluations")
	cli.Group(f, "Claim", "tau", "table-tau", "epsilon", "delta", "enforce-true-band", "interval-band", "neighbours", "certify", "as-published")
	cli.Group(f, "Sampling", "selector", "scope", "schedule", "fidelities", "batch", "move", "move-score", "fresh")
	cli.Group(f, "Noise", "sigma", "sigma-diff", "sigma-archs", "sigma-repeats", "noise", "utility-range", "robust")
	cli.Group(f, "Evaluator", "evaluator", "final", "validation", "workers", "timeout", "retries", "agent", "ort-lib")
	f.DurationVar(&o.MeasureAgain, "measure-again", measureAgain, measureAgainHelp)
	cli.Group(f, "Measured costs", "measure", "measure-arg", "measure-again")
}

func (o *runOptions) validate(args []string) error {
	var problems []error
	need := func(flag, v string) {
		if v == "" {
			problems = append(problems, fmt.Errorf("--%s is missing", flag))
		}
	}
	if len(args) > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q", args[0]))
	}
	need("space", o.Space)
	need("lut", strings.Join(o.Tables, ","))
	need("evaluator", o.Evaluator)
	need("output", o.Out)
	if o.Anchor != "" && len(o.Anchors) > 0 {
		problems = append(problems, errors.New("--anchor and --anchors: name one of the two"))
	}
	problems = append(problems, anchors.Check(o.Anchors))
	if n := len(o.Measure); n > 1 && n != len(o.Tables) {
		problems = append(problems, fmt.Errorf("--measure names %d devices for %d tables: name one, or one per table (none for no device)", n, len(o.Tables)))
	}
	number := func(flag, text string) *float64 {
		if text == "" {
			return nil
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s %q is not a number", flag, text))
		}
		return &v
	}
	if !o.given("explore") && (o.Settings.Published || o.Settings.Schedule == search.ScheduleComparisons) {
		o.Explore = "none" // these begin at the anchor
	}
	plan, err := explore.Parse(o.Explore)
	if err != nil {
		problems = append(problems, fmt.Errorf("--explore: %w", err))
	} else {
		o.Settings.Explore = plan
	}
	if share, ok := strings.CutPrefix(o.Certify, "band:"); ok {
		if o.Settings.BandShare, err = strconv.ParseFloat(share, 64); err != nil || o.Settings.BandShare == 0 {
			problems = append(problems, fmt.Errorf("--certify %s: %q is not a share between 0 and 1", o.Certify, share))
		}
	} else if o.Certify != "neighbours" {
		problems = append(problems, fmt.Errorf("--certify %q is neither neighbours nor band:P", o.Certify))
	}
	if o.Start != "" && len(o.Anchors) > 0 {
		problems = append(problems, errors.New("--start is in one anchor's band: it does not go with --anchors"))
	}
	if o.Known != "" && o.Settings.Explore == nil {
		problems = append(problems, errors.New("--evaluations are for an exploration: --explore gp:N"))
	}
	if !o.given("noise") && (o.given("sigma-archs") || o.given("sigma-repeats")) {
		o.Settings.Noise = search.NoiseShared // a calibration is wanted
	}
	o.Settings.Sigma, o.Settings.SigmaDiff = number("sigma", o.Sigma), number("sigma-diff", o.SigmaDiff)
	switch len(o.Range) {
	case 0:
	case 2:
		o.Settings.UtilityRange = &[2]float64{o.Range[0], o.Range[1]}
	default:
		problems = append(problems, fmt.Errorf("--utility-range has %d numbers, not the least and the largest utility", len(o.Range)))
	}
	if o.Fidelities != "" {
		var err error
		if o.Settings.Fidelities, err = evidence.ParseFidelities(o.Fidelities); err != nil {
			problems = append(problems, err)
		}
	}
	if o.Settings.PerDevice = o.Precision == "per-device"; !o.Settings.PerDevice && o.Precision != "common" {
		problems = append(problems, fmt.Errorf("--precision %q is neither common nor per-device", o.Precision))
	}
	if o.Settings.PerDevice && len(o.Tables) < 2 {
		problems = append(problems, errors.New("--precision per-device needs the tables of several devices"))
	}
	if _, err := o.taus(); err != nil {
		problems = append(problems, err)
	}
	if o.Budget < 0 || o.Workers < 1 || o.Retries < 0 || o.Timeout < 0 {
		problems = append(problems, errors.New("--budget, --retries and --timeout cannot be negative, --workers is at least 1"))
	}
	problems = append(problems, o.Settings.Complete())
	return cli.Usage(errors.Join(problems...))
}

// files are those that the run reads, its own among them.
func (o *runOptions) files() []string {
	return append(filesOf([]string{o.Out}), filesRead(o.Space, o.Tables, o.Evaluator, o.Final)...)
}

func (o *runOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if err := o.validate(args); err != nil {
		return err
	}
	if len(o.Anchors) > 0 {
		return o.runSeveral(ctx, env)
	}
	if err := anchors.CheckOne(o.Out); err != nil {
		return err
	}
	if err := cli.NewOutput("--report", o.Report, o.files()...); err != nil {
		return err
	}
	o.goOn(o.Out)
	in, err := o.openInputs(o.Anchor)
	if err != nil {
		return err
	}
	ev, err := o.openEvaluators(ctx, env, in)
	if err != nil {
		return err
	}
	defer ev.close()
	bar := cli.NewProgress(env.Stderr, env.Getenv)
	page := o.newLive(o.Out, env)
	d, err := o.driver(in, ev, o.Out, env, page, func(s cli.State) { bar.Show(s) })
	if err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return err
	}
	if err := in.Save(o.Out); err != nil {
		return err
	}
	if n := o.Settings.Drawn(1); n > 0 {
		fmt.Fprintf(env.Stderr, "isosearch: note: certify %s: %d networks of the band are drawn and compared at the first incumbent, %d at the second: as many evaluations each at least\n",
			o.Certify, n, o.Settings.Drawn(2))
	}
	cert, err := d.Run(ctx)
	bar.Done()
	if err != nil {
		page.write(err.Error())
		return err
	}
	if err := o.report(); err != nil {
		return err
	}
	if o.JSON {
		text, err := cert.Encode()
		if err != nil {
			return err
		}
		cli.Raw(env.Stdout).Write(text)
	} else {
		printCertificate(env.Stdout, cert)
		fmt.Fprintf(env.Stdout, "certificate  %s/%s\n", strings.TrimRight(o.Out, "/"), search.CertificateFile)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !cert.Claim.Reached && !o.Settings.Published {
		err := notCertified(cert)
		if strings.Contains(string(cert.Claim.Stop), "budget") {
			err = hint.Wrap(err, "the same command with a larger --budget goes on from here")
		}
		return cli.Partial(err)
	}
	return nil
}

// evaluatorLog is the file of a run directory, or of one of several anchors, that keeps
// what an outside evaluator prints between its answers.
const evaluatorLog = "evaluator.log"

// report writes the page of what has ended.
func (o *runOptions) report() error {
	if o.Report == "" {
		return nil
	}
	return writePage(o.Report, func(w io.Writer) error { return drawRuns(w, []string{o.Out}) })
}

// goOn has a search that was begun in dir go on as it began where --explore and --noise are
// not given: an earlier version's began at its anchor, and calibrated its noise.
func (o *runOptions) goOn(dir string) {
	j, err := search.ReadJournal(filepath.Join(dir, search.JournalFile))
	if err != nil {
		return
	}
	was := j.Header.Settings
	if !o.given("explore") {
		o.Settings.Explore = was.Explore
	}
	if !o.given("noise") && was.Noise != o.Settings.Noise {
		o.Settings.Noise, o.Settings.SigmaArchs, o.Settings.SigmaRepeats, o.Settings.SigmaBeta = was.Noise, was.SigmaArchs, was.SigmaRepeats, was.SigmaBeta
	}
}

// openInputs reads space and tables and prices one anchor.
func (o *runOptions) openInputs(anchor string) (*search.Opened, error) {
	taus, err := o.taus()
	if err != nil {
		return nil, err
	}
	return search.OpenInputs(search.Inputs{Space: o.Space, Tables: o.Tables, Anchor: anchor, Start: o.Start, Measured: o.measured(), Tau: taus}, o.Settings)
}

// evaluators are a search's own and the one of final utilities, nil without.
type evaluators struct{ proxy, final search.Evaluator }

func (e evaluators) close() {
	for _, ev := range []search.Evaluator{e.proxy, e.final} {
		if c, ok := ev.(evaluator.Closer); ok {
			c.Close()
		}
	}
}

// openEvaluators makes the evaluators of the inputs' space; who gets them closes
// them.
func (o *runOptions) openEvaluators(ctx context.Context, env cli.Env, in *search.Opened) (e evaluators, err error) {
	if e.proxy, err = o.openEvaluator(ctx, env, in, o.Evaluator); err != nil || o.Final == "" {
		return e, err
	}
	if e.final, err = o.openEvaluator(ctx, env, in, o.Final); err != nil {
		e.close()
	}
	return e, err
}

func (o *runOptions) openEvaluator(ctx context.Context, env cli.Env, in *search.Opened, spec string) (search.Evaluator, error) {
	networks := in.Problem.Space
	per, _ := networks.(*space.PerDevice)
	if per != nil {
		networks = per.Base()
	}
	ev, err := evaluator.Open(ctx, spec, evaluator.Options{
		Log:   &logFile{path: filepath.Join(o.Out, evaluatorLog)},
		Space: networks, Seed: o.Settings.Seed, Workers: o.Workers, Timeout: o.Timeout, Retries: o.Retries,
		Agent: o.Agent, ORTLib: o.ORTLib, Stderr: env.Stderr, Note: func(s string) { fmt.Fprintf(env.Stderr, "isosearch: note: %s\n", s) },
	})
	if err == nil && per != nil {
		ev = evaluator.PerDevice(ev, per)
	}
	return ev, err
}

// driver is the search of the inputs in a run directory.
func (o *runOptions) driver(in *search.Opened, ev evaluators, dir string, env cli.Env, page *live, show func(cli.State)) (*search.Driver, error) {
	if err := in.Attach(ev.proxy); err != nil {
		return nil, err
	}
	if o.Known != "" {
		if err := in.AttachKnown(o.Known); err != nil {
			return nil, err
		}
	}
	if ev.final != nil {
		if err := in.AttachFinal(ev.final); err != nil {
			return nil, hint.Wrap(err, "--final takes table:FILE or exec:CMD")
		}
	}
	measurers, err := o.measurers(in, dir, env)
	if err != nil {
		return nil, err
	}
	return &search.Driver{
		Dir: dir, Problem: in.Problem, Header: in.Header, Evaluator: ev.proxy, Final: ev.final,
		Workers: o.Workers, Budget: o.Budget, Now: time.Now, Measurers: measurers,
		Progress: func(p search.Progress) {
			show(searchState(p, o.Budget))
			page.show(p)
		},
	}, nil
}

// notCertified returns the error of a search that ends without a certificate.
func notCertified(c *search.Certificate) error {
	if c.Claim.Verdict != search.Vacuous {
		err := fmt.Errorf("the claim was not reached: %s", unreached(c))
		if slices.ContainsFunc(c.Alarms, func(a string) bool { return strings.HasPrefix(a, "heteroscedastic") }) {
			err = hint.Wrap(err, "without --noise shared a search goes on by each network's own noise: in a run of its own (-o), with --start '%s' and the evaluations of this one (--evaluations)", c.Final.Arch)
		}
		return err
	}
	err := fmt.Errorf("the claim is vacuous: the final has %d neighbours of its cost", len(c.Neighbours))
	if c.Header.Settings.Neighbours == search.NeighboursExchange {
		return hint.Wrap(err, "a larger --tau has more of them")
	}
	return hint.Wrap(err, "--neighbours exchange has more of them, a larger --tau too")
}

// unreached says why a certificate's claim was not reached.
func unreached(c *search.Certificate) string {
	switch {
	case c.Claim.Verdict == search.Vacuous:
		return fmt.Sprintf("vacuous, %d neighbours", len(c.Neighbours))
	case len(c.Alarms) > 0:
		return "an alarm, see above"
	case slices.ContainsFunc(c.Measured, func(d search.CertDevice) bool { return d.FinalMeasured && !d.FinalInside }):
		return "by measurement the final is outside the band"
	case c.Claim.Stop == search.StopCertified:
		return "some neighbours cannot be evaluated"
	}
	return string(c.Claim.Stop)
}

// taus are the tolerances of --table-tau.
func (o *runOptions) taus() (map[string]float64, error) {
	out := map[string]float64{}
	for name, text := range o.TableTau {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v > 0 && v < 1) {
			return nil, fmt.Errorf("--table-tau %s=%s: not a number between 0 and 1", name, text)
		}
		out[name] = v
	}
	return out, nil
}

// noDevice stands for a table whose device is not at hand.
const noDevice = "none"

// measured says of each table whether its device is asked.
func (o *runOptions) measured() []bool {
	var out []bool
	for i := range o.Tables {
		out = append(out, o.target(i) != noDevice)
	}
	return out
}

// target says where table i is measured: the one target for all tables, or its own.
func (o *runOptions) target(i int) string {
	switch {
	case len(o.Measure) == 1:
		return o.Measure[0]
	case i < len(o.Measure):
		return o.Measure[i]
	}
	return noDevice
}

// measureAgain is the longest time a search waits for a device to settle.
const measureAgain = 5 * time.Minute

const measureAgainHelp = "longest time in all to spend on measuring again, now and then, what came back noisy or of a drifting device; 0 takes the first answer"

// measurers makes the devices of the measured tables, for a search in dir.
func (o *runOptions) measurers(in *search.Opened, dir string, env cli.Env) ([]search.Measurer, error) {
	var out []search.Measurer
	for i, band := range in.Problem.Bands {
		target := o.target(i)
		if target == noDevice {
			out = append(out, nil)
			continue
		}
		networks, project := in.Problem.Space, (func(space.Arch) space.Arch)(nil)
		if per, ok := networks.(*space.PerDevice); ok {
			networks, project = per.Base(), func(a space.Arch) space.Arch { return per.Project(a, i) }
		}
		low, ok := networks.(space.Lowerer)
		cost, compiled := band.Cost.(interface{ Compiled() *lut.Table })
		if !ok || !compiled || cost.Compiled() == nil {
			return nil, cli.Usagef("--measure needs a space of networks and compiled tables; %s is none: --measure none", band.Name)
		}
		program, err := evaluator.FindAgent(o.Agent)
		if err != nil {
			return nil, err
		}
		args := o.BenchArgs
		if o.ORTLib != "" {
			args = append([]string{"--ort-lib", o.ORTLib}, args...)
		}
		file := cost.Compiled().File()
		if file.Protocol.YAML == "" {
			fmt.Fprintf(env.Stderr, "isosearch: note: table %s does not hold its protocol: measuring under agent's own; compile it again to change that\n", band.Name)
		}
		out = append(out, &measure.Agent{Space: low, Project: project, Program: program, Args: args, Target: target, Table: *file,
			Dir: filepath.Join(dir, search.MeasureDir, band.Name), Stderr: cli.Behind(env.Stderr), Again: o.MeasureAgain})
	}
	return out, nil
}

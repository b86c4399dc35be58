package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isocost/isocost/record"
)

// bench is the folder in which the programs are tortured, with what they need.
type bench struct {
	*testing.T
	root, bin, dir string
	long           bool
	rng            *rand.Rand
	rows           []string // of the page
}

// TestTorture runs for ISOCOST_TORTURE=short (less than a minute) or long (minutes), with the
// seed ISOCOST_SEED, and writes what it tried to the file ISOCOST_STUDY.
func TestTorture(t *testing.T) {
	how := os.Getenv("ISOCOST_TORTURE")
	if how == "" {
		t.Skip("set ISOCOST_TORTURE to short or long, or run make torture")
	}
	seed, err := strconv.ParseUint(os.Getenv("ISOCOST_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, root: root, bin: t.TempDir(), dir: t.TempDir(), long: how == "long", rng: rand.New(rand.NewPCG(seed, 1))}
	t.Logf("seed %d", seed)
	if out, err := exec.Command("go", "build", "-o", b.bin+"/", "../../cmd/...").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, part := range []struct {
		name string
		do   func(*bench) string
	}{
		{"byte surgery", (*bench).surgery}, {"kills", (*bench).kills}, {"two at once", (*bench).two}, {"disk full", (*bench).full},
		{"nowhere to write", (*bench).nowhere}, {"limits", (*bench).limits}, {"evaluators and devices that lie", (*bench).liars}, {"fuzz targets", (*bench).fuzz},
	} {
		began := time.Now()
		ok := t.Run(part.name, func(t *testing.T) {
			own := *b
			own.T = t
			did := part.do(&own)
			b.rows = append(b.rows, fmt.Sprintf("| %s | %s | %s |", part.name, did, time.Since(began).Round(time.Second)))
		})
		if !ok {
			b.rows = append(b.rows, fmt.Sprintf("| %s | FAILED | %s |", part.name, time.Since(began).Round(time.Second)))
		}
	}
	page := fmt.Sprintf("# A hostile day\n\nSeed %d. A part that fails ends the run without a page.\n\n| part | what was tried, and held | time |\n|---|---|---|\n%s\n", seed, strings.Join(b.rows, "\n"))
	t.Log("\n" + page)
	if path := os.Getenv("ISOCOST_STUDY"); path != "" && !t.Failed() {
		if err := os.WriteFile(path, []byte(page), 0o666); err != nil {
			t.Error(err)
		}
	}
}

// n is a number of trials, of the short form and of the long.
func (b *bench) n(short, long int) int {
	if b.long {
		return long
	}
	return short
}

// result holds how a program ended.
type result struct {
	code   int
	stdout string
	stderr string
	late   bool // it had to be killed
}

// patience is longer than any command here takes on a busy machine.
const patience = 60 * time.Second

func (b *bench) run(name string, args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, name), args...)
	return b.finish(ctx, cmd)
}

// shell runs a line in which $BIN is the folder of the programs.
func (b *bench) shell(line string) result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Env = append(os.Environ(), "BIN="+b.bin)
	return b.finish(ctx, cmd)
}

func (b *bench) finish(ctx context.Context, cmd *exec.Cmd) result {
	var out, talk bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = b.dir, &out, &talk, 5*time.Second
	err := cmd.Run()
	r := result{stdout: out.String(), stderr: talk.String(), late: ctx.Err() != nil}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		b.Fatal(err)
	}
	return r
}

// civil reports whether a program ended as one of ours does: in time, without a panic, and a
// refusal with its reason.
func (r result) civil() error {
	switch {
	case r.late:
		return fmt.Errorf("it did not end in %v", patience)
	case strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic:"):
		return fmt.Errorf("it panicked: %.400s", r.stderr)
	case r.code < 0 || r.code > 3:
		return fmt.Errorf("exit code %d: %.400s", r.code, r.stderr)
	case r.code == 0 || r.code == 3:
		return nil
	case !strings.Contains(r.stderr, "error: "):
		return fmt.Errorf("exit code %d without an error: %.400s", r.code, r.stderr)
	}
	return nil
}

// helpful is civil, and a refusal says what to do.
func (r result) helpful() error {
	if err := r.civil(); err != nil || r.code == 0 || r.code == 3 || strings.Contains(r.stderr, "hint: ") {
		return err
	}
	return fmt.Errorf("exit code %d without a hint: %.400s", r.code, r.stderr)
}

// campaign is a simulated campaign: its plan, and the arguments of agent bench but -o.
func (b *bench) campaign() []string {
	plan := filepath.Join(b.dir, "plan.jsonl")
	if _, err := os.Stat(plan); err != nil {
		if r := b.run("agent", "plan", "--space", filepath.Join(b.root, "examples/tiny-cnn/space.yaml"), "--calibrate", "4", "--audit", "4", "-o", plan); r.code != 0 {
			b.Fatal(r.stderr)
		}
	}
	return []string{"bench", "--plan", plan, "--backend", "sim", "--sim-device", b.device(), "-o"}
}

// device is a simulated device without noise: what is measured again after a kill is the same
// then, whenever it is.
func (b *bench) device() string {
	path := filepath.Join(b.dir, "device.yaml")
	data, err := os.ReadFile(filepath.Join(b.root, "examples/sim-device.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	var quiet []string
	drop := false
	for line := range strings.SplitSeq(string(data), "\n") {
		if line != "" && line[0] >= 'a' && line[0] <= 'z' {
			name, _, _ := strings.Cut(line, ":")
			drop = slices.Contains([]string{"noise", "bursts", "drift", "throttle", "preempt"}, name)
		}
		if !drop {
			quiet = append(quiet, line)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(quiet, "\n")), 0o666); err != nil {
		b.Fatal(err)
	}
	return path
}

// records are the record lines of a file without their sums, sorted by nothing: they stand in
// the plan's order.
func (b *bench) records(path string) string {
	files, err := record.Read(path)
	if err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	for _, e := range files[0].Records {
		text, err := record.EncodeLine(e.Line)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", text)
	}
	return out.String()
}

// surgery moves bytes of one file of every format and has its reader look: it ends civilly,
// and where the format carries sums it refuses.
func (b *bench) surgery() string {
	rec := filepath.Join(b.dir, "surgery.jsonl")
	if r := b.run("agent", append(b.campaign(), rec)...); r.code != 0 {
		b.Fatal(r.stderr)
	}
	table := filepath.Join(b.dir, "surgery.lut.json")
	if r := b.run("costgen", "compile", rec, "-o", table); r.code != 0 {
		b.Fatal(r.stderr)
	}
	vectors := filepath.Join(b.root, "testdata/vectors")
	formats := []struct {
		file   string
		sums   bool
		reader func(path string) result
	}{
		{rec, true, func(p string) result { return b.run("agent", "records", p) }},
		{rec, true, func(p string) result { return b.run("costgen", "compile", p, "-o", p+".out") }},
		{filepath.Join(vectors, "rec.jsonl"), false, func(p string) result { return b.run("costgen", "compile", p, "-o", p+".out") }},
		{table, true, func(p string) result { return b.run("costgen", "inspect", p) }},
		{filepath.Join(b.dir, "plan.jsonl"), false, func(p string) result {
			return b.run("agent", "bench", "--plan", p, "--backend", "sim", "--sim-device", filepath.Join(b.root, "examples/sim-device.yaml"), "--max-time", "1ms", "-o", p+".out")
		}},
		{filepath.Join(b.root, "examples/tiny-cnn/space.yaml"), false, func(p string) result { return b.run("agent", "plan", "--space", p, "-o", p+".out") }},
		{filepath.Join(b.root, "examples/sim-device.yaml"), false, func(p string) result {
			return b.run("agent", "bench", "--plan", filepath.Join(b.dir, "plan.jsonl"), "--backend", "sim", "--sim-device", p, "--max-time", "1ms", "-o", p+".out")
		}},
		{filepath.Join(vectors, "protocol.yaml"), false, func(p string) result { return b.run("agent", "bench", "--protocol", p, "--print-protocol") }},
		{filepath.Join(b.root, "benchmarks/onnxreader/testdata/tiny.script.onnx"), false, func(p string) result { return b.run("costgen", "predict", "--lut", table, p) }},
		{filepath.Join(b.root, "benchmarks/tflitereader/testdata/tiny.tflite"), false, func(p string) result { return b.run("costgen", "predict", "--lut", table, p) }},
	}
	tried, refused := 0, 0
	for _, f := range formats {
		data, err := os.ReadFile(f.file)
		if err != nil {
			b.Fatal(err)
		}
		for range b.n(8, 60) {
			hurt, what := b.hurt(data)
			if bytes.Equal(hurt, data) {
				continue
			}
			path := filepath.Join(b.dir, "hurt"+filepath.Ext(f.file))
			if err := os.WriteFile(path, hurt, 0o666); err != nil {
				b.Fatal(err)
			}
			r := f.reader(path)
			tried++
			polite := result.helpful
			if ext := filepath.Ext(f.file); ext == ".onnx" || ext == ".tflite" { // what to do about others' models is not ours to know
				polite = result.civil
			}
			if err := polite(r); err != nil {
				b.keep(hurt, f.file)
				b.Errorf("%s, %s: %v", f.file, what, err)
			}
			if r.code != 0 {
				refused++
			} else if f.sums {
				b.keep(hurt, f.file)
				b.Errorf("%s, %s: read without a word", f.file, what)
			}
			os.Remove(path + ".out")
		}
	}
	return fmt.Sprintf("%d damaged files of %d readers: %d refused with the reason, none panicked or hung, and of those that carry sums none was read", tried, len(formats), refused)
}

// keep leaves a file that did harm where it can be looked at.
func (b *bench) keep(data []byte, of string) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("torture-%x-%s", b.rng.Uint32(), filepath.Base(of)))
	if os.WriteFile(path, data, 0o666) == nil {
		b.Logf("kept as %s", path)
	}
}

// hurt changes data in one of the ways disks, editors and transfers do.
func (b *bench) hurt(data []byte) (hurt []byte, what string) {
	hurt = bytes.Clone(data)
	at, n := b.rng.IntN(len(hurt)), 1+b.rng.IntN(min(64, len(hurt)))
	end := min(len(hurt), at+n)
	switch b.rng.IntN(7) {
	case 0:
		hurt[at] ^= 1 << b.rng.IntN(8)
		return hurt, fmt.Sprintf("a bit of byte %d", at)
	case 1:
		return slices.Delete(hurt, at, end), fmt.Sprintf("%d bytes gone at %d", end-at, at)
	case 2:
		return slices.Insert(hurt, at, hurt[at:end]...), fmt.Sprintf("%d bytes twice at %d", end-at, at)
	case 3:
		for i := at; i < end; i++ {
			hurt[i] = 0
		}
		return hurt, fmt.Sprintf("zeros from %d to %d", at, end)
	case 4:
		return hurt[:at], fmt.Sprintf("cut at %d", at)
	case 5:
		for i := at; i < end; i++ {
			hurt[i] = byte(b.rng.Uint32())
		}
		return hurt, fmt.Sprintf("noise from %d to %d", at, end)
	}
	lines := bytes.SplitAfter(hurt, []byte("\n"))
	i, j := b.rng.IntN(len(lines)), b.rng.IntN(len(lines))
	lines[i], lines[j] = lines[j], lines[i]
	return bytes.Join(lines, nil), fmt.Sprintf("lines %d and %d swapped", i+1, j+1)
}

// kills ends campaigns and compilations at random moments: the same command goes on, and the
// records are those of one that was let be; a table is whole or absent.
func (b *bench) kills() string {
	calm := filepath.Join(b.dir, "calm.jsonl")
	began := time.Now()
	if r := b.run("agent", append(b.campaign(), calm)...); r.code != 0 {
		b.Fatal(r.stderr)
	}
	whole, want := time.Since(began), b.records(calm)
	killed, times := 0, 0
	for i := range b.n(4, 25) {
		rec := filepath.Join(b.dir, fmt.Sprintf("killed%d.jsonl", i))
		for tries := 0; ; tries++ {
			cmd := exec.Command(filepath.Join(b.bin, "agent"), append(b.campaign(), rec)...)
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			if tries < 5 { // then it may end
				time.Sleep(time.Duration(b.rng.Float64() * float64(whole)))
				cmd.Process.Kill()
			}
			err := cmd.Wait()
			if err == nil {
				break
			}
			if tries >= 5 {
				b.Fatalf("a campaign that was killed does not go on: %v", err)
			}
			times++
		}
		killed++
		if got := b.records(rec); got != want {
			b.Errorf("a campaign killed on the way has other records than one that was let be: %s", rec)
		}
		os.Remove(rec)
	}
	table := filepath.Join(b.dir, "killed.lut.json")
	for range b.n(4, 25) {
		cmd := exec.Command(filepath.Join(b.bin, "costgen"), "compile", calm, "-o", table)
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		time.Sleep(time.Duration(b.rng.Float64() * float64(200*time.Millisecond)))
		cmd.Process.Kill()
		cmd.Wait()
		if _, err := os.Stat(table); err == nil {
			if r := b.run("costgen", "inspect", table); r.code != 0 {
				b.Errorf("a compilation that was killed left a table that is not whole: %s", r.stderr)
			}
		}
	}
	return fmt.Sprintf("%d campaigns killed %d times, each ended with the records of one that was let be; %d compilations, each table whole or absent", killed, times, b.n(4, 25))
}

// two starts two campaigns on one output: one measures, the other is refused, and the file is
// whole.
func (b *bench) two() string {
	done, refused := 0, 0
	for i := range b.n(3, 20) {
		rec := filepath.Join(b.dir, fmt.Sprintf("two%d.jsonl", i))
		args := append(b.campaign(), rec)
		var both [2]result
		var wait sync.WaitGroup
		for j := range both {
			wait.Go(func() { both[j] = b.run("agent", args...) })
		}
		wait.Wait()
		for _, r := range both {
			if err := r.helpful(); err != nil {
				b.Error(err)
			}
			if r.code == 0 {
				done++
			} else {
				refused++
			}
		}
		if both[0].code != 0 && both[1].code != 0 {
			b.Errorf("neither measured: %s %s", both[0].stderr, both[1].stderr)
		}
		if r := b.run("agent", "records", rec); r.code != 0 {
			b.Errorf("the file of two is damaged: %s", r.stderr)
		}
		os.Remove(rec)
	}
	return fmt.Sprintf("%d pairs of campaigns on one file: %d ended, %d were refused, every file whole", b.n(3, 20), done, refused)
}

// full lets a campaign run into the end of the disk, which a limit on the size of files is to
// it: it says so, what was measured is kept, and with room the same command goes on.
func (b *bench) full() string {
	want := b.records(filepath.Join(b.dir, "calm.jsonl"))
	n := b.n(3, 20)
	for i := range n {
		rec := filepath.Join(b.dir, fmt.Sprintf("full%d.jsonl", i))
		args := quoted(append(b.campaign(), rec))
		r := b.shell(fmt.Sprintf("ulimit -f %d; exec \"$BIN/agent\" %s", 8+b.rng.IntN(120), args))
		if err := r.helpful(); err != nil {
			b.Errorf("on a full disk: %v", err)
		}
		if r.code != 0 && !strings.Contains(r.stderr, "too large") && !strings.Contains(r.stderr, "no space") {
			b.Errorf("the reason is not said: %s", r.stderr)
		}
		if r := b.shell("exec \"$BIN/agent\" " + args); r.code != 0 {
			b.Errorf("with room it does not go on: %s", r.stderr)
		}
		if b.records(rec) != want {
			b.Error("a campaign that met a full disk has other records")
		}
		os.Remove(rec)
	}
	for _, line := range []string{`"$BIN/agent" records calm.jsonl`, `"$BIN/costgen" inspect surgery.lut.json`, `"$BIN/agent" bench --print-protocol`} {
		if r := b.shell(line + " > /dev/full"); r.code != 1 {
			b.Errorf("%s to a full device exits with %d: %s", line, r.code, r.stderr)
		}
	}
	return fmt.Sprintf("%d campaigns met the end of the disk, said so and went on with room; 3 commands to /dev/full fail", n)
}

// nowhere gives outputs that cannot be written.
func (b *bench) nowhere() string {
	file := filepath.Join(b.dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		b.Fatal(err)
	}
	tried := 0
	for _, at := range []string{file + "/below", "/proc/below", b.dir} {
		for _, args := range [][]string{
			append(append([]string{"agent"}, b.campaign()...), at),
			{"costgen", "compile", filepath.Join(b.dir, "calm.jsonl"), "-o", at},
			{"agent", "plan", "--family", "relu", "-o", at},
		} {
			r := b.run(args[0], args[1:]...)
			tried++
			if r.code == 0 {
				b.Errorf("%v: written", args)
			} else if r.late || strings.Contains(r.stderr, "goroutine ") || !strings.Contains(r.stderr, "error: ") {
				b.Errorf("%v: exit %d, %s", args, r.code, r.stderr)
			}
		}
	}
	return fmt.Sprintf("%d outputs below a file, in /proc and on a folder: refused", tried)
}

// limits runs campaigns with few files, little memory and little time for the processor.
func (b *bench) limits() string {
	tried := 0
	for _, limit := range []string{"ulimit -n 8", "ulimit -n 16", "ulimit -v 1000000", "ulimit -t 1", "ulimit -s 256", "ulimit -c 0; nice -n 19 true"} {
		rec := filepath.Join(b.dir, "limit.jsonl")
		args := quoted(append(b.campaign(), rec))
		r := b.shell(limit + "; exec \"$BIN/agent\" " + args)
		tried++
		// Go's own words where it cannot even start count as a reason.
		if r.late || r.code == 0 && b.records(rec) == "" || r.code != 0 && r.code < 128 && r.stderr == "" {
			b.Errorf("%s: exit %d, late %t: %s", limit, r.code, r.late, r.stderr)
		}
		if r := b.shell("exec \"$BIN/agent\" " + args); r.code != 0 {
			b.Errorf("after %s it does not go on: %s", limit, r.stderr)
		}
		os.Remove(rec)
	}
	return fmt.Sprintf("%d limits on files, memory, time and stack: ended with a reason or done, and went on without", tried)
}

// liars runs the tests that hold evaluators and devices which do not keep the protocol.
func (b *bench) liars() string {
	if !b.long {
		return "in make test"
	}
	out, err := b.goTest("test", "-count=1", "./search/evaluator", "./agent/target")
	if err != nil {
		b.Errorf("%v\n%s", err, out)
	}
	return "every test of search/evaluator and agent/target"
}

func (b *bench) goTest(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = b.root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// fuzz runs every fuzz target of the module for a few seconds, on what its corpus holds and on
// what it makes of it; with ISOCOST_FUZZ=DURATION as many of them, drawn, as that holds.
func (b *bench) fuzz() string {
	budget, err := time.ParseDuration(os.Getenv("ISOCOST_FUZZ"))
	if err != nil {
		if budget = 0; b.long {
			budget = time.Hour
		}
	}
	if budget == 0 {
		return "their corpora, in make test"
	}
	var targets [][2]string // package, name
	err = filepath.WalkDir(b.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != b.root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				targets = append(targets, [2]string{filepath.ToSlash(rel), f.Name.Name})
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.rng.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	done := 0
	for began := time.Now(); done < len(targets) && time.Since(began) < budget; done++ {
		pkg, name := targets[done][0], targets[done][1]
		if out, err := b.goTest("test", "./"+pkg, "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", "3s"); err != nil {
			b.Errorf("%s of %s: %v\n%.4000s", name, pkg, err, out)
		}
	}
	return fmt.Sprintf("%d of %d targets, 3 s each beyond their corpora", done, len(targets))
}

func quoted(args []string) string {
	var out []string
	for _, a := range args {
		out = append(out, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(out, " ")
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/benchmarks/tflitereader"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/costgen/exchange"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
)

const tinyModel = "../../benchmarks/onnxreader/testdata/tiny.script.onnx"

func run(args ...string) (stdout, stderr string, code int) {
	var out, talk bytes.Buffer
	code = program().Run(context.Background(), args, cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: os.Getenv})
	return out.String(), talk.String(), code
}

// tableOf writes a table that prices each kernel of the model at 10, 20, 30… µs,
// the first drop keys left out; it returns the sum.
func tableOf(t *testing.T, model, path string, drop int) (sum float64, kernels int) {
	t.Helper()
	read := tflitereader.ReadFile
	if filepath.Ext(model) == ".onnx" {
		read = func(path string) (*network.Network, error) { return onnxreader.ReadFile(path, onnxreader.Options{}) }
	}
	net, err := read(model)
	if err != nil {
		t.Fatal(err)
	}
	price := map[string]float64{}
	csv := "key,us,lo_us,hi_us,n\n"
	for _, k := range net.Kernels {
		key := k.Op.String()
		if _, ok := price[key]; !ok {
			v := float64(10 * (len(price) + 1))
			price[key] = v
			if len(price) > drop {
				csv += fmt.Sprintf("%q,%v,%v,%v,50\n", key, v, v-1, v+1)
			}
		}
		sum += price[key]
	}
	tab, err := exchange.Import("csv", []byte(csv), exchange.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, tab.Encode(), 0o666); err != nil {
		t.Fatal(err)
	}
	return sum, len(net.Kernels)
}

func TestPredictSumsKernels(t *testing.T) {
	lutPath := filepath.Join(t.TempDir(), "t.lut.json")
	sum, kernels := tableOf(t, tinyModel, lutPath, 0)
	stdout, stderr, code := run("predict", "--lut", lutPath, "--json", tinyModel)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var got struct {
		Model   string   `json:"model"`
		Total   *float64 `json:"total_us"`
		Lo      *float64 `json:"lo_us"`
		Hi      *float64 `json:"hi_us"`
		Kernels []struct {
			Name, Key string
			US        float64 `json:"us"`
			Lo        float64 `json:"lo_us"`
			Hi        float64 `json:"hi_us"`
		}
		Missing []any
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	half := math.Sqrt(float64(kernels)) // each ±1, in quadrature
	if got.Model != "tiny.script.onnx" || got.Total == nil || math.Abs(*got.Total-sum) > 1e-6 || len(got.Kernels) != kernels || len(got.Missing) != 0 ||
		math.Abs(*got.Hi-*got.Total-half) > 0.1 || math.Abs(*got.Total-*got.Lo-half) > 0.1 {
		t.Errorf("want %v ± %v from %d kernels, got %s", sum, half, kernels, stdout)
	}
	if k := got.Kernels[0]; k.US != 10 || k.Lo >= 10 || k.Hi <= 10 || k.Name == "" || !strings.Contains(k.Key, "@") {
		t.Errorf("first kernel %+v", k)
	}
	stdout, _, code = run("predict", "--lut", lutPath, tinyModel)
	if code != 0 || !strings.Contains(stdout, fmt.Sprintf("tiny.script.onnx: %.5g us, 95 %% between", sum)) || !strings.Contains(stdout, "fusion rules") {
		t.Errorf("exit %d:\n%s", code, stdout)
	}
}

// A table of one runtime prices a model of another only with a word, in JSON as on the terminal.
func TestPredictSaysWhichRuntimeItIsOf(t *testing.T) {
	lutPath := filepath.Join(t.TempDir(), "t.lut.json")
	for model, runs := range map[string]string{tinyModel: "ONNX Runtime", "../../benchmarks/tflitereader/testdata/tiny.tflite": "LiteRT"} {
		tableOf(t, model, lutPath, 0)
		want := "is read as " + runs + " runs it; the table is of imported"
		stdout, stderr, code := run("predict", "--lut", lutPath, "--json", model)
		var p struct{ Warnings []string }
		if err := json.Unmarshal([]byte(stdout), &p); err != nil || code != 0 {
			t.Fatalf("exit %d, %v: %s", code, err, stderr)
		}
		if !strings.Contains(strings.Join(p.Warnings, "\n"), want) || !strings.Contains(stderr, want) {
			t.Errorf("%s: the object warns of %q, the terminal of %s", model, p.Warnings, stderr)
		}
	}
}

func TestPredictTFLite(t *testing.T) {
	const model = "../../benchmarks/tflitereader/testdata/tiny.tflite"
	lutPath := filepath.Join(t.TempDir(), "t.lut.json")
	sum, kernels := tableOf(t, model, lutPath, 0)
	stdout, stderr, code := run("predict", "--lut", lutPath, model)
	if code != 0 || !strings.Contains(stdout, fmt.Sprintf("tiny.tflite: %.5g us, 95 %% between", sum)) ||
		!strings.Contains(stdout, fmt.Sprintf("%d kernels by fusion rules", kernels)) {
		t.Errorf("exit %d: %s\n%s", code, stderr, stdout)
	}
	if _, stderr, code := run("predict", "--lut", lutPath, model, "--dim", "N=2"); code != 2 || !strings.Contains(stderr, `no model has a dimension "N"`) || !strings.Contains(stderr, "sizes are fixed") {
		t.Errorf("--dim: exit %d: %s", code, stderr)
	}
	bad := filepath.Join(t.TempDir(), "bad.tflite")
	if err := os.WriteFile(bad, []byte("no model"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := run("predict", "--lut", lutPath, bad); code != 1 || !strings.Contains(stderr, "bad.tflite: not a valid .tflite model") {
		t.Errorf("no model: exit %d: %s", code, stderr)
	}
}

// A missing kernel is listed, leaves no total, and the emitted plan measures it.
// An extrapolated total says what was extrapolated.
func TestPredictSaysWhatIsExtrapolated(t *testing.T) {
	tab, err := exchange.Import("csv", []byte("key,us\n\"linear/fp32@cin=8,cout=8,m=1\",5\n"), exchange.Options{})
	if err != nil {
		t.Fatal(err)
	}
	op, err := lut.ParseOp("linear/fp32@cin=8,cout=8,m=1")
	if err != nil {
		t.Fatal(err)
	}
	for guessed, want := range map[bool]string{false: "networks of other sizes", true: "kernels outside the measured range"} {
		v := 5.0
		p := &costgen.Prediction{Model: "net", Unit: "us", Total: &v, Lo: &v, Hi: &v, Extrapolated: true,
			Kernels: []costgen.PricedKernel{{Key: op, Cost: v, Lo: v, Hi: v, Extrapolated: guessed}}}
		var b strings.Builder
		if err := costgen.WritePrediction(&b, tab, p, &network.Network{}, false); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("guessed %v: %v\n%s", guessed, err, b.String())
		}
	}
}

func TestPredictListsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	lutPath, planPath := filepath.Join(dir, "t.lut.json"), filepath.Join(dir, "plan.jsonl")
	tableOf(t, tinyModel, lutPath, 2)
	stdout, stderr, code := run("predict", "--lut", lutPath, "--json", "--emit-plan", planPath, tinyModel)
	if code != cli.ExitPartial || !strings.Contains(stderr, "1 of 1 models have kernels the table lacks") || !strings.Contains(stderr, "hint: agent bench --plan") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	var got struct {
		Total   *float64 `json:"total_us"`
		Known   float64  `json:"known_us"`
		Missing []struct{ Name, Key, Reason string }
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Total != nil || got.Known <= 0 || len(got.Missing) < 2 {
		t.Fatalf("a sum without its missing parts was given: %s", stdout)
	}
	plan, err := benchmarks.OpenPlan(planPath)
	if err != nil {
		t.Fatal(err)
	}
	planned := map[string]bool{}
	for _, c := range plan.Cases {
		if c.Role == role.Cell {
			planned[c.Key.String()] = true
		}
	}
	for _, m := range got.Missing {
		if !planned[m.Key] || m.Reason == "" || m.Name == "" {
			t.Errorf("%+v is not in the plan %v", m, planned)
		}
	}
	if len(planned) != 2 {
		t.Errorf("the plan measures %v", planned)
	}
	for what, args := range map[string][]string{
		"no model":      {"predict", "--lut", lutPath},
		"no table":      {"predict", tinyModel},
		"bad dim":       {"predict", "--lut", lutPath, "--dim", "n=-1", tinyModel},
		"not a model":   {"predict", "--lut", lutPath, lutPath},
		"missing model": {"predict", "--lut", lutPath, "none.onnx"},
	} {
		if out, talk, code := run(args...); code != cli.ExitUsage && code != cli.ExitFailed || out != "" || !strings.Contains(talk, "costgen: error: ") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", what, code, out, talk)
		}
	}
}

// Kernels that agent lower wrote are taken as they are, and said to be the
// runtime's; a lowering by another library is remarked on.
func TestPredictTakesLoweredKernels(t *testing.T) {
	dir := t.TempDir()
	lutPath, kernels := filepath.Join(dir, "t.lut.json"), filepath.Join(dir, "tiny.kernels.json")
	sum, _ := tableOf(t, tinyModel, lutPath, 0)
	net, err := onnxreader.ReadFile(tinyModel, onnxreader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	net.Lowered = true
	data, err := kernelfile.Encode(&kernelfile.File{Format: kernelfile.Format, Model: "tiny.onnx", SHA256: hash("model"),
		Runtime: lut.Library{Backend: "ort", Version: "1", SHA256: hash("lib"), Provider: "cpu"}, Network: *net})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kernels, data, 0o666); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := run("predict", "--lut", lutPath, kernels)
	if code != 0 || !strings.Contains(stdout, fmt.Sprintf("%.5g us", sum)) || !strings.Contains(stdout, "runtime's optimised graph") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code = run("predict", "--lut", lutPath, "--dim", "N=1", kernels); code != cli.ExitUsage || !strings.Contains(stderr, "lowered already") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// A memory table predicts the peak of the model's own schedule, whatever operators it
// holds itself.
func TestPredictMemory(t *testing.T) {
	net, err := onnxreader.ReadFile(tinyModel, onnxreader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tab, err := lut.New(lut.File{Format: lut.Format, Metric: lut.Memory, Unit: lut.Units[lut.Memory], Policy: "raw", Families: []lut.Family{
		{Op: lut.NewOp("gap", lut.FP32, nil, nil), Axes: []string{"c"}, Knots: []lut.Knot{{At: []int{8}, Raw: 100, Corrected: 100, Lo: 100, Hi: 100, Reason: lut.Measured}}}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.lut.json")
	if err := os.WriteFile(path, tab.Encode(), 0o666); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := run("predict", "--lut", path, "--json", tinyModel)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var got struct {
		Total   float64 `json:"total_bytes"`
		Kernels []struct {
			Bytes float64 `json:"bytes"`
		}
		Missing []any
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, k := range got.Kernels {
		largest = max(largest, k.Bytes)
	}
	if got.Total != float64(net.PeakBytes) || largest != got.Total || len(got.Missing) > 0 {
		t.Errorf("predicted %.0f bytes, %.0f at the largest kernel, %d missing; the graph keeps %d alive", got.Total, largest, len(got.Missing), net.PeakBytes)
	}
	text, _, code := run("predict", "--lut", path, tinyModel)
	if code != 0 || !strings.Contains(text, "in use at once") || strings.Contains(text, " × ") {
		t.Errorf("exit %d:\n%s", code, text)
	}
}

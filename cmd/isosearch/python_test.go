package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/search"
)

// verifyPy runs scripts/verify.py, which shares no code with isosearch.
func verifyPy(t *testing.T, run string) (string, int) {
	t.Helper()
	out, err := exec.Command("python3", filepath.Join("..", "..", "scripts", "verify.py"), run).CombinedOutput()
	code := 0
	if e, ok := err.(*exec.ExitError); ok {
		code = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), code
}

// resealed gives the lines of a journal the check sums they need.
func resealed(lines []string) []byte {
	var out bytes.Buffer
	sum := ""
	for _, l := range lines {
		object := l[:len(l)-len(`,"sum":""}`)-32] + "}"
		s := sha256.Sum256([]byte(sum + "\n" + object))
		sum = hex.EncodeToString(s[:])[:32]
		out.WriteString(object[:len(object)-1] + `,"sum":"` + sum + "\"}\n")
	}
	return out.Bytes()
}

// TestVerifiedWithoutIsosearch has the program that was written from
// docs/formats/verify.md check runs of every selector and every kind of evidence, and
// find what was changed in them though the check sums fit.
func TestVerifiedWithoutIsosearch(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		nativelib.Missing(t, err)
	}
	if testing.Short() {
		t.Skip("searches with every kind of evidence: make test")
	}
	dir := t.TempDir()
	table := tabular(t, dir)
	kinds := map[string][]string{
		"lucb":        {"--sigma", "0.5"},
		"elimination": {"--sigma", "0.5", "--selector", "elimination", "--scope", "layer"},
		"uniform":     {"--sigma", "0.5", "--selector", "uniform", "--explore", "none"},
		"auto":        {},
		"apart":       {"--sigma", "0.1"}, // it is 0.5
		"calibrated":  {"--noise", "shared"},
		"pool":        {"--sigma", "0.5", "--epsilon", "2"},
		"per-network": {"--noise", "per-network"},
		"median":      {"--robust", "median"},
		"range":       {"--utility-range", "-10,20", "--epsilon", "6"},
		"paired":      {"--selector", "paired", "--sigma-diff", "0.4", "--sigma", "0.5"},
		"fidelities":  {"--selector", "multi-fidelity", "--fidelities", "0.1,0.3:0.2", "--sigma", "0.5"},
		"band":        {"--sigma", "0.5", "--certify", "band:0.2"},
		"exchange":    {"--sigma", "0.5", "--neighbours", "exchange", "--explore", "random:12"},
		"budget":      {"--sigma", "0.5", "--budget", "30"},
	}
	for name, flags := range kinds {
		t.Run(name, func(t *testing.T) {
			run := filepath.Join(dir, name)
			evaluator := "table:" + table
			switch name {
			case "pool":
			case "paired":
				evaluator += ",noise=0.5,common=0.8"
			case "fidelities":
				evaluator += ",noise=0.5,bias=0.2"
			default:
				evaluator += ",noise=0.5"
			}
			args := append([]string{"run", "--space", table, "--lut", "space:us", "--tau", "0.05", "--evaluator", evaluator, "--epsilon", "1.5", "--batch", "2", "-o", run}, flags...)
			if code, _, stderr := isosearch(args...); code != 0 && code != 3 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if out, code := verifyPy(t, run); code != 0 || !strings.Contains(out, map[bool]string{true: "0 of ", false: "certified"}[name == "budget"]) || !strings.Contains(out, "neighbourhood recomputed") {
				t.Fatalf("exit code %d: %s", code, out)
			} else {
				t.Log(strings.TrimSpace(out))
			}
			journal, certificate := filepath.Join(run, search.JournalFile), filepath.Join(run, search.CertificateFile)
			was, err := os.ReadFile(journal)
			if err != nil {
				t.Fatal(err)
			}
			claim, err := os.ReadFile(certificate)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(was), "\n"), "\n")
			retired := -1
			for i, l := range lines {
				if strings.Contains(l, `"kind":"retire"`) {
					retired = i
				}
			}
			// What is changed in turn; each has to be found out.
			tampered := map[string]func() ([]byte, []byte){
				"a line": func() ([]byte, []byte) {
					return bytes.Replace(was, []byte(`"index":0`), []byte(`"index":1`), 1), claim
				},
				"a seed, sealed again": func() ([]byte, []byte) {
					i := regexp.MustCompile(`"seed":(\d+),"utility"`)
					changed := append([]string(nil), lines...)
					for k, l := range changed {
						if i.MatchString(l) {
							changed[k] = i.ReplaceAllString(l, `"seed":1,"utility"`)
							break
						}
					}
					return resealed(changed), claim
				},
			}
			if retired >= 0 && name != "budget" {
				final := regexp.MustCompile(`"from":"([^"]*)"`).FindStringSubmatch(lines[retired])[1]
				tampered["the incumbent's samples, sealed again"] = func() ([]byte, []byte) {
					changed := append([]string(nil), lines...)
					for k := retired; k > 0; k-- {
						if strings.Contains(changed[k], `"kind":"eval","arch":"`+final+`"`) {
							changed[k] = regexp.MustCompile(`"utility":[-0-9.e]+`).ReplaceAllString(changed[k], `"utility":19.25`)
						}
					}
					return resealed(changed), claim
				}
				tampered["a retirement left out, sealed again"] = func() ([]byte, []byte) {
					return resealed(append(append([]string(nil), lines[:retired]...), lines[retired+1:]...)), claim
				}
				tampered["a neighbour left out"] = func() ([]byte, []byte) {
					return was, bytes.Replace(claim, []byte(`"retired": true`), []byte(`"retired": false`), 1)
				}
			}
			for what, change := range tampered {
				j, c := change()
				if bytes.Equal(j, was) && bytes.Equal(c, claim) {
					t.Fatalf("%s: nothing was changed", what)
				}
				if err := os.WriteFile(journal, j, 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(certificate, c, 0o644); err != nil {
					t.Fatal(err)
				}
				if out, code := verifyPy(t, run); code != 1 || !strings.Contains(out, "WRONG") {
					t.Errorf("%s: exit code %d: %s", what, code, out)
				}
			}
		})
	}
}

// TestNeighbourhoodsAreRecomputed has it list all proposals of spaces with every kind of block
// by their multiply-adds, and find one that a certificate left out.
func TestNeighbourhoodsAreRecomputed(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		nativelib.Missing(t, err)
	}
	noise := filepath.Join(t.TempDir(), "noise.py")
	const program = `import sys, json, random
for line in sys.stdin:
    r = json.loads(line)
    print(json.dumps({"id": r["id"], "utility": random.Random(r["seed"]).gauss(0, 1)}), flush=True)
`
	if err := os.WriteFile(noise, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, space := range []string{"mobile-cnn/full.yaml", "hybrid-vit/space.yaml"} {
		for _, kind := range []string{"canonical", "exchange"} {
			t.Run(space+" "+kind, func(t *testing.T) {
				run := t.TempDir()
				if code, _, stderr := isosearch("run", "--space", filepath.Join("..", "..", "examples", space), "--lut", "space:flops", "--evaluator", "exec:python3 "+noise,
					"--neighbours", kind, "--explore", "none", "--sigma", "1", "--epsilon", "3", "--budget", "8", "-o", run); code != 3 {
					t.Fatalf("exit code %d: %s", code, stderr)
				}
				if out, code := verifyPy(t, run); code != 0 || !strings.Contains(out, "neighbourhood recomputed") {
					t.Fatalf("exit code %d: %s", code, out)
				}
				path := filepath.Join(run, search.CertificateFile)
				c, err := search.ReadCertificate(path)
				if err != nil {
					t.Fatal(err)
				}
				c.Neighbours, c.Claim.Unretired = c.Neighbours[1:], c.Claim.Unretired-1
				text, err := c.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Fatal(err)
				}
				if out, code := verifyPy(t, run); code != 1 || !strings.Contains(out, "the neighbours of equal cost are") {
					t.Errorf("a neighbour left out: exit code %d: %s", code, out)
				}
			})
		}
	}
}

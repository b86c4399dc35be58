//go:build tensorflow

package tensorflow

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

func TestISAOfAProcessor(t *testing.T) {
	haswell := []string{"sse4_1", "avx", "avx2", "fma"}
	skylake := append([]string{"avx512f", "avx512bw", "avx512vl", "avx512dq"}, haswell...)
	sapphire := append([]string{"avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"}, skylake...)
	for _, c := range []struct {
		flags []string
		limit string
		want  string
	}{
		{haswell, "", "AVX2"}, {skylake, "", "AVX512_CORE"}, {sapphire, "", "AVX512_CORE_AMX"},
		{sapphire, "AVX2", "AVX2"}, {sapphire, "AVX512_CORE_BF16", "AVX512_CORE_BF16"}, {haswell, "AVX512_CORE", "AVX2"},
		{haswell, "NO_SUCH", "AVX2"}, {nil, "", ""},
	} {
		if got := isaOf(c.flags, c.limit); got != c.want {
			t.Errorf("%v limited to %q: %q, want %q", c.flags, c.limit, got, c.want)
		}
	}
	env := func(name string) string { return map[string]string{"ONEDNN_MAX_CPU_ISA": "avx2"}[name] }
	if got := maxISA(env); got != "AVX2" {
		t.Errorf("the limit in small letters is read as %q", got)
	}
}

// TestFeaturesNameTheKernels: Info reports what oneDNN reports of itself, in processes with and without
// limits.
func TestFeaturesNameTheKernels(t *testing.T) {
	if os.Getenv("ISOCOST_TEST_FEATURES") != "" {
		info, err := New().Info()
		if err != nil {
			t.Fatal(err)
		}
		if p, err := New().Placement(t.Context(), build(t, "conv[k=3]/fp32@cin=16,cout=16,h=8,w=8"), cpu); err != nil {
			t.Fatal(err)
		} else if mkl := strings.HasPrefix(p.Nodes[0].Op, "_Mkl"); mkl != strings.Contains(info.Features, "onednn=on") {
			t.Errorf("%s ran, but %s", p.Nodes[0].Op, info.Features)
		}
		t.Logf("features: %s;", info.Features)
		return
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("oneDNN's instruction sets are told on x86 alone")
	}
	// As cpu_isa_traits and verbose.cpp of oneDNN have them.
	words := map[string]string{
		"SSE41": "Intel SSE4.1", "AVX": "Intel AVX", "AVX2": "Intel AVX2", "AVX2_VNNI": "Intel AVX2 with Intel DL Boost",
		"AVX512_CORE":      "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions",
		"AVX512_CORE_VNNI": "Intel AVX-512 with Intel DL Boost",
		"AVX512_CORE_BF16": "Intel AVX-512 with Intel DL Boost and bfloat16 support",
		"AVX512_CORE_FP16": "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support",
		"AVX512_CORE_AMX":  "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16 and 8-bit integer support",
	}
	for _, env := range []string{"TF_ENABLE_ONEDNN_OPTS=1", "TF_ENABLE_ONEDNN_OPTS=0", "ONEDNN_MAX_CPU_ISA=AVX2", "TF_XLA_FLAGS=--tf_xla_auto_jit=0"} {
		c := exec.Command(os.Args[0], "-test.run=^TestFeaturesNameTheKernels$", "-test.v")
		c.Env = append(os.Environ(), "ISOCOST_TEST_FEATURES=1", "TF_ENABLE_ONEDNN_OPTS=1", "ONEDNN_VERBOSE=1", env)
		text, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", env, err, text)
		}
		_, said, _ := strings.Cut(string(text), "info,cpu,isa:")
		said, _, _ = strings.Cut(said, "\n")
		_, have, _ := strings.Cut(string(text), "features: ")
		have, _, _ = strings.Cut(have, ";")
		switch name, value, _ := strings.Cut(env, "="); name {
		case "TF_ENABLE_ONEDNN_OPTS":
			if want := "onednn=" + map[string]string{"0": "off", "1": "on"}[value]; !strings.Contains(have, want) {
				t.Errorf("%s: %s", env, have)
			}
		case "ONEDNN_MAX_CPU_ISA":
			if !strings.Contains(have, "isa=AVX2") {
				t.Errorf("%s: %s", env, have)
			}
		default:
			if !strings.HasSuffix(have, env) {
				t.Errorf("%s: %s", env, have)
			}
		}
		_, isa, _ := strings.Cut(have, "isa=")
		isa, _, _ = strings.Cut(isa, " ")
		if want, known := words[isa]; known && said != "" && said != want {
			t.Errorf("%s: Info says %s, oneDNN says it runs %q", env, have, said)
		} else if said == "" && strings.Contains(have, "onednn=on") {
			t.Errorf("%s: oneDNN said nothing:\n%s", env, text)
		}
	}
}

//go:build tensorflow

package tensorflow

/*
// tensorflow::IsMKLEnabled() of tensorflow/core/util/util.h, by its name in the library;
// weak, since a library without it is still TensorFlow.
extern _Bool _ZN10tensorflow12IsMKLEnabledEv(void) __attribute__((weak));

static int iso_onednn(void) { return _ZN10tensorflow12IsMKLEnabledEv ? _ZN10tensorflow12IsMKLEnabledEv() : -1; }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	cpuid "golang.org/x/sys/cpu"
)

// switches are the environment variables, besides those that oneDNN's line below holds, by
// which a process changes the kernels it runs.
var switches = []string{"ONEDNN_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE", "TF_XLA_FLAGS"}

// features says what of the library is on, as agent.Info has it: whether it hands
// operations to oneDNN, which it decides by the processor and TF_ENABLE_ONEDNN_OPTS; the
// instruction set oneDNN uses on x86 – also for the matrix products of Eigen's
// convolutions, where it is off; and the switches that are set.
var features = sync.OnceValue(func() string {
	list := []string{"onednn=" + map[int]string{1: "on", 0: "off", -1: "unknown"}[int(C.iso_onednn())]}
	if isa := isaOf(processor(), maxISA(os.Getenv)); isa != "" {
		list = append(list, "isa="+isa)
	}
	for _, name := range switches {
		if v := os.Getenv(name); v != "" {
			if strings.ContainsAny(v, " \"") {
				v = fmt.Sprintf("%q", v)
			}
			list = append(list, name+"="+v)
		}
	}
	return strings.Join(list, " ")
})

// oneDNN says whether TensorFlow hands its operations to oneDNN in this process.
func oneDNN() bool { return C.iso_onednn() == 1 }

// isa is an instruction set and the flags it asks for.
type isa struct {
	name  string
	flags []string
}

// isas are oneDNN's instruction sets of x86, best first, by the names that
// ONEDNN_MAX_CPU_ISA takes and the flags as /proc/cpuinfo spells them (oneDNN, developer
// guide, CPU dispatcher control).
var isas = []isa{
	{"AVX512_CORE_AMX_FP16", []string{"amx_fp16", "amx_tile", "amx_int8", "amx_bf16", "avx512_fp16"}},
	{"AVX512_CORE_AMX", []string{"amx_tile", "amx_int8", "amx_bf16", "avx512_fp16"}},
	{"AVX512_CORE_FP16", []string{"avx512_fp16", "avx512_bf16"}},
	{"AVX512_CORE_BF16", []string{"avx512_bf16"}},
	{"AVX512_CORE_VNNI", []string{"avx512_vnni"}},
	{"AVX512_CORE", []string{"avx512f", "avx512bw", "avx512vl", "avx512dq"}},
	{"AVX2_VNNI_2", []string{"avx_vnni", "avx_vnni_int8", "avx_ne_convert"}},
	{"AVX2_VNNI", []string{"avx_vnni"}},
	{"AVX2", []string{"avx2"}},
	{"AVX", []string{"avx"}},
	{"SSE41", []string{"sse4_1"}},
}

// maxISA is the limit set for oneDNN in the environment, "" when there is none.
func maxISA(env func(string) string) string {
	for _, name := range []string{"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"} {
		if v := strings.ToUpper(env(name)); v != "" {
			return v
		}
	}
	return ""
}

// isaOf is the best instruction set within a limit that a processor with these flags has;
// "" when it has none of them. A limit oneDNN does not know is none to it.
func isaOf(flags []string, limit string) string {
	at := max(0, slices.IndexFunc(isas, func(i isa) bool { return i.name == limit }))
	for _, i := range isas[at:] {
		if !slices.ContainsFunc(i.flags, func(f string) bool { return !slices.Contains(flags, f) }) {
			return i.name
		}
	}
	return ""
}

// processor are the flags of this processor, empty where /proc/cpuinfo cannot be read. The
// processor's own word (CPUID) is the last: an emulator in user mode passes the host's
// /proc/cpuinfo on.
func processor() []string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	flags := strings.Fields(string(data))
	if runtime.GOARCH != "amd64" {
		return flags
	}
	return slices.DeleteFunc(flags, func(f string) bool {
		switch {
		case strings.HasPrefix(f, "amx_"):
			return !cpuid.X86.HasAMXTile
		case strings.HasPrefix(f, "avx512"):
			return !cpuid.X86.HasAVX512F
		case strings.HasPrefix(f, "avx_"):
			return !cpuid.X86.HasAVXVNNI
		case f == "avx2":
			return !cpuid.X86.HasAVX2
		}
		return false
	})
}

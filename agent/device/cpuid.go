package device

import "golang.org/x/sys/cpu"

// cpuidFeatures are the kernelFeatures that the processor itself reports to this
// program, for an emulator that passes the host's /proc/cpuinfo through (qemu-user
// does on x86). What golang.org/x/sys/cpu does not ask for (avx512_fp16) is left out.
func cpuidFeatures() []string {
	x := &cpu.X86
	has := map[string]bool{
		"avx2": x.HasAVX2, "fma": x.HasFMA, "f16c": x.HasF16C, "avx512f": x.HasAVX512F,
		"avx512_vnni": x.HasAVX512VNNI, "avx_vnni": x.HasAVXVNNI, "avx512_bf16": x.HasAVX512BF16,
		"amx_tile": x.HasAMXTile, "amx_int8": x.HasAMXInt8, "amx_bf16": x.HasAMXBF16,
	}
	var out []string
	for _, f := range kernelFeatures {
		if has[f] {
			out = append(out, f)
		}
	}
	return out
}

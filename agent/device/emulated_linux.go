package device

import (
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// machines maps GOARCH to the ELF machine of a program built for it.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM,
	"riscv64": elf.EM_RISCV,
}

// Emulated returns the name of the user-mode emulator that runs this program
// ("qemu-aarch64-static"), or "". QEMU answers /proc/self/exe itself, but not
// /proc/thread-self/exe: behind that link is the program the kernel really runs,
// and it is the emulator when its machine is not ours or its name says so.
func Emulated() string {
	const link = "/proc/thread-self/exe"
	target, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	name := filepath.Base(target)
	for _, known := range []string{"qemu-", "box64", "FEX", "rosetta"} {
		if strings.HasPrefix(name, known) {
			return name
		}
	}
	f, err := elf.Open(link)
	if err != nil {
		return ""
	}
	defer f.Close()
	if want, ok := machines[runtime.GOARCH]; ok && f.Machine != want {
		return name
	}
	return ""
}

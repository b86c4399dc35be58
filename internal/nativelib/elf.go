package nativelib

import (
	"debug/elf"
	"fmt"

	"github.com/isocost/isocost/internal/hint"
)

// elfMachines are the architectures Go calls by another name.
var elfMachines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV,
}

// CheckELF says in plain words what the loader would say in its own: that a file
// is not a library, or one for another architecture. It checks nothing on systems
// whose libraries are not ELF.
func CheckELF(path, goos, goarch string) error {
	if goos != "linux" && goos != "android" {
		return nil
	}
	f, err := elf.Open(path)
	if err != nil {
		return hint.Wrap(fmt.Errorf("load %s: this is not a shared library (%w)", path, err),
			"run scripts/setup-native.sh, or name the library itself")
	}
	defer f.Close()
	if want, ok := elfMachines[goarch]; ok && f.Machine != want {
		return hint.Wrap(fmt.Errorf("load %s: the library is for %v, this program for %v", path, f.Machine, want),
			"take the library for %s-%s (scripts/setup-native.sh --platform %s-%s)", goos, goarch, goos, goarch)
	}
	if f.Type != elf.ET_DYN {
		return hint.Wrap(fmt.Errorf("load %s: this is not a shared library but %v", path, f.Type), "name the library itself")
	}
	return nil
}

package bundle

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Requirements holds what an ELF file needs from the system that loads it.
type Requirements struct {
	Arch      string   // Go's name
	GLIBC     string   // newest version, "2.17"; "" for none
	Newest    []string // symbols that ask for it
	Libraries []string // DT_NEEDED
	PageAlign uint64   // least alignment of the loadable segments
	// AndroidAPI is the level it was built for; 0 where it is not for Android.
	AndroidAPI int
	// Interpreter is the program that loads it, "" for a library.
	Interpreter string
	// Relocatable is true of libraries and position-independent programs whose code
	// is not rewritten while loading.
	Relocatable bool
	// Exports are the names of the functions that it defines for others.
	Exports map[string]bool
}

var errNotELF = errors.New("no ELF file")

var archOf = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_386: "386", elf.EM_RISCV: "riscv64"}

// Needs reads the symbol versions that a program or library imports (the
// "version needs" of the System V gABI, as GNU ld writes them).
func Needs(name string) (Requirements, error) {
	var r Requirements
	head := make([]byte, 4)
	f, err := os.Open(name)
	if err != nil {
		return r, err
	}
	defer f.Close()
	if n, _ := f.ReadAt(head, 0); n < 4 || !bytes.Equal(head, []byte(elf.ELFMAG)) {
		return r, errNotELF
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	if r.Arch = archOf[e.Machine]; r.Arch == "" {
		r.Arch = e.Machine.String()
	}
	for _, p := range e.Progs {
		switch {
		case p.Type == elf.PT_LOAD && (r.PageAlign == 0 || p.Align < r.PageAlign):
			r.PageAlign = p.Align
		case p.Type == elf.PT_INTERP:
			loader, err := io.ReadAll(p.Open())
			if err != nil {
				return r, fmt.Errorf("%s: %w", name, err)
			}
			r.Interpreter = string(bytes.TrimRight(loader, "\x00"))
		}
	}
	rewritten, _ := e.DynValue(elf.DT_TEXTREL) // a missing entry or dynamic section is not an error
	r.Relocatable = e.Type == elf.ET_DYN && len(rewritten) == 0
	if r.Libraries, err = e.ImportedLibraries(); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	if r.AndroidAPI, err = androidAPI(e); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	dynamic, err := e.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	r.Exports = map[string]bool{}
	for _, s := range dynamic {
		if s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			r.Exports[s.Name] = true
		}
	}
	symbols, err := e.ImportedSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	for _, s := range symbols {
		v, ok := strings.CutPrefix(s.Version, "GLIBC_")
		if !ok || v == "PRIVATE" {
			continue
		}
		switch {
		case r.GLIBC == "" || newer(v, r.GLIBC):
			r.GLIBC, r.Newest = v, []string{s.Name}
		case v == r.GLIBC:
			r.Newest = append(r.Newest, s.Name)
		}
	}
	slices.Sort(r.Newest)
	if len(r.Newest) > 5 {
		r.Newest = append(r.Newest[:5], "…")
	}
	return r, nil
}

// androidAPI reads the note with which the NDK marks what it links: name "Android",
// type 1, an int32 API level first (bionic, libc/arch-common/bionic/crtbrand.S).
func androidAPI(e *elf.File) (int, error) {
	note := e.Section(".note.android.ident")
	if note == nil {
		return 0, nil
	}
	data, err := note.Data()
	if err != nil {
		return 0, err
	}
	// Three words (size of the name, size of the rest, type), the name padded to words.
	const name = "Android\x00"
	if len(data) < 12+len(name)+4 || string(data[12:12+len(name)]) != name {
		return 0, errors.New(".note.android.ident is torn")
	}
	return int(int32(binary.LittleEndian.Uint32(data[12+len(name):]))), nil
}

// newer compares versions such as 2.4 and 2.31 number by number.
func newer(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(x) || i < len(y); i++ {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m > n
		}
	}
	return false
}

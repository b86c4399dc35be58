package target

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
)

// hashesName lists what was pushed into a folder: "sha256  name" lines, as
// sha256sum writes them.
const hashesName = ".hashes"

func parseHashes(data []byte) (map[string]string, error) {
	out := map[string]string{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		sum, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), "  ")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || name == "" {
			return nil, fmt.Errorf("%s:%d: want \"sha256  name\"", hashesName, n)
		}
		out[name] = sum
	}
	return out, nil
}

func formatHashes(list map[string]string) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(list)) {
		fmt.Fprintf(&b, "%s  %s\n", list[name], name)
	}
	return b.Bytes()
}

// FolderFiles lists the regular files below a local folder: path with slashes → path.
func FolderFiles(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if st, err := os.Stat(p); err != nil || !st.Mode().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)] = p
		return nil
	})
	return files, err
}

// PushFiles makes the remote folder hold exactly the given files (name → local
// path): what it has already, by hash, is not sent again, and what an earlier
// push left there and is no longer wanted is removed. It returns the names sent.
func PushFiles(ctx context.Context, c Conn, remote string, files map[string]string, each func(name string)) ([]string, error) {
	want := map[string]string{}
	for name, local := range files {
		if !fs.ValidPath(name) || name == "." || name == hashesName || strings.ContainsAny(name, "\n\x00") {
			return nil, fmt.Errorf("push: %q cannot name a file", name)
		}
		sum, err := filehash.SHA256(ctx, local)
		if err != nil {
			return nil, err
		}
		want[name] = sum
	}
	have := map[string]string{}
	listed, err := answer(ctx, c, maxListBytes, "cat", path.Join(remote, hashesName))
	var exit *ExitError
	switch {
	case err == nil:
		// A list that cannot be read is as good as none.
		if list, err := parseHashes(listed); err == nil {
			have = list
		}
	case !errors.As(err, &exit):
		return nil, err
	}
	// What a push that was cut short an hour ago left behind; a device without such a
	// find keeps it.
	if _, err := answer(ctx, c, maxStateBytes, "find", pathArg(remote), "-name", "*"+pushMark+"*", "-mmin", "+60", "-exec", "rm", "-f", "{}", "+"); errors.Is(err, ErrLost) || ctx.Err() != nil {
		return nil, err
	}
	var sent []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] == want[name] {
			continue
		}
		if each != nil {
			each(name)
		}
		if err := c.Push(ctx, files[name], path.Join(remote, name)); err != nil {
			return sent, err
		}
		sent = append(sent, name)
	}
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok && fs.ValidPath(name) {
			stale = append(stale, path.Join(remote, name))
		}
	}
	if len(stale) > 0 {
		if err := c.Exec(ctx, append([]string{"rm", "-f", "--"}, stale...), nil, nil, nil); err != nil {
			return sent, err
		}
	}
	if len(sent)+len(stale) == 0 {
		return nil, nil
	}
	// The list comes last: a push cut short is seen, and goes on with what lacks.
	list, err := os.CreateTemp("", "isocost-hashes-*")
	if err != nil {
		return sent, err
	}
	defer os.Remove(list.Name())
	_, err = list.Write(formatHashes(want))
	if err := errors.Join(err, list.Close()); err != nil {
		return sent, err
	}
	return sent, c.Push(ctx, list.Name(), path.Join(remote, hashesName))
}

// agentName is the agent's file in a bundle.
const agentName = "agent"

// Deploy brings a bundle's folder to the device and returns the path of the
// agent there, checked by its own hand where something was sent.
func Deploy(ctx context.Context, c Conn, base, bundle string, each func(name string)) (string, error) {
	files, err := FolderFiles(bundle)
	if err != nil {
		return "", err
	}
	if files[agentName] == "" {
		return "", hint.Wrap(fmt.Errorf("%s is not a bundle: it does not hold %s", bundle, agentName), "scripts/build-agent.sh makes one")
	}
	if err := fits(ctx, c, files[agentName]); err != nil {
		return "", err
	}
	dir := path.Join(base, "bundle")
	sent, err := PushFiles(ctx, c, dir, files, each)
	if err != nil {
		return "", err
	}
	remote := path.Join(dir, agentName)
	if !path.IsAbs(remote) {
		remote = "./" + remote
	}
	if len(sent) > 0 {
		err := c.Exec(ctx, []string{remote, "job", "verify", "--dir", dir}, nil, nil, nil)
		var exit *ExitError
		if errors.As(err, &exit) {
			if exit.Code == 126 || exit.Code == 127 {
				return "", hint.Wrap(fmt.Errorf("the agent of %s does not run on the device: %w", bundle, err), "%s", notRunHint(exit))
			}
		}
		if err != nil {
			return "", err
		}
	}
	return remote, nil
}

// notRunHint says what to do about a shell that could not execute the agent.
func notRunHint(exit *ExitError) string {
	if exit.Code == 126 && strings.Contains(exit.Stderr, "ermission denied") {
		return "its folder is mounted without the right to execute (noexec), or a security policy forbids it: choose another with --target-dir"
	}
	return "take the bundle for the device's architecture and system (scripts/build-agent.sh)"
}

// machines are uname's names of the architectures that agents are built for.
var machines = map[elf.Machine][]string{
	elf.EM_AARCH64: {"aarch64", "arm64", "armv8l"}, // armv8l: a 32-bit process asks a 64-bit kernel
	elf.EM_X86_64:  {"x86_64"},
	elf.EM_ARM:     {"armv7l", "armv8l", "aarch64"},
	elf.EM_RISCV:   {"riscv64"},
}

// fits refuses an agent of another architecture before a bundle of tens of
// megabytes is pushed. What it cannot tell it lets pass: the device itself tells.
func fits(ctx context.Context, c Conn, agent string) error {
	f, err := elf.Open(agent)
	if err != nil {
		return nil // a script, or a program of another system
	}
	defer f.Close()
	var exit *ExitError
	out, err := answer(ctx, c, maxStateBytes, "uname", "-m")
	if errors.As(err, &exit) {
		return nil
	} else if err != nil {
		return err
	}
	machine := lastLine(string(out))
	if names, known := machines[f.Machine]; known && machine != "" && !slices.Contains(names, machine) && !emulates(ctx, c, names[0]) {
		return hint.Wrap(fmt.Errorf("%s is built for %s, the device is %s", agent, names[0], machine),
			"take the bundle for the device's architecture and system (scripts/build-agent.sh)")
	}
	return nil
}

// emulates reports whether the device's kernel starts programs of another architecture
// with an emulator: its registrations name it (Linux, admin-guide/binfmt-misc).
func emulates(ctx context.Context, c Conn, machine string) bool {
	out, err := answer(ctx, c, maxStateBytes, "sh", "-c", "cat /proc/sys/fs/binfmt_misc/* 2>/dev/null; true") // its register cannot be read
	return err == nil && strings.Contains(string(out), machine)
}

// lastLine returns the last line of a program's output: a login shell may print
// before it.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

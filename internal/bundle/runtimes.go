package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// androidAPILevel is the oldest Android that a bundle must run on: 7.0, the first with
// every call the agent makes.
const androidAPILevel = 24

// androidPages is the page size a program for Android must allow for
// (developer.android.com/guide/practices/page-sizes).
const androidPages = 16 << 10

// androidPublic are the system's libraries that are stable across phones, of those
// there are at API 24 (developer.android.com/ndk/guides/stable_apis). Any other is private
// to one phone's system.
var androidPublic = []string{"libc.so", "libm.so", "libdl.so", "liblog.so", "libandroid.so", "libz.so", "libjnigraphics.so",
	"libEGL.so", "libGLESv1_CM.so", "libGLESv2.so", "libGLESv3.so", "libvulkan.so", "libOpenSLES.so", "libOpenMAXAL.so",
	"libmediandk.so", "libcamera2ndk.so"}

// androidLoader is the program that starts others on 64-bit Android.
const androidLoader = "/system/bin/linker64"

// source is a file of a runtime, before it is packed.
type source struct {
	File
	local string
}

// CheckRuntimes looks at the runtimes' libraries as Pack does, packs nothing, and
// returns what Pack would list of them.
func CheckRuntimes(o Options) ([]File, error) {
	files, err := o.runtimeFiles()
	if err != nil {
		return nil, err
	}
	var out []File
	for _, f := range files {
		st, err := os.Stat(f.local)
		if err != nil {
			return nil, err
		}
		f.Bytes = st.Size()
		if f.SHA256, err = filehash.SHA256(context.Background(), f.local); err != nil {
			return nil, err
		}
		if err := o.check(f.local, &f.File); err != nil {
			return nil, err
		}
		out = append(out, f.File)
	}
	return out, nil
}

// runtimeFiles lists the files of every runtime asked for, and sees to it that one
// of them is the library with the functions that the agent calls.
func (o Options) runtimeFiles() ([]source, error) {
	var out []source
	for _, name := range o.Runtimes {
		rt, ok := nativelib.Known().Runtime(name)
		if !ok {
			return nil, fmt.Errorf("no runtime is called %q", name)
		}
		dir := filepath.Join(o.Native, o.OS+"-"+o.Arch, name)
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) == 0 {
			return nil, hint.Wrap(fmt.Errorf("no %s in %s", rt.Title, dir), "scripts/setup-native.sh --platform %s-%s %s", o.OS, o.Arch, name)
		}
		found, missing := false, ""
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			f := source{File{Path: path.Join("lib", name, e.Name()), Runtime: name, Licence: rt.Licence}, filepath.Join(dir, e.Name())}
			sum, err := filehash.SHA256(context.Background(), f.local)
			if err != nil {
				return nil, err
			}
			if f.Version = rt.Pinned(e.Name(), sum); f.Version == "" {
				f.Version = "not pinned"
			}
			out = append(out, f)
			if !slices.ContainsFunc(rt.Library, func(p string) bool { ok, _ := path.Match(p, e.Name()); return ok }) {
				continue
			}
			needs, err := Needs(f.local)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.local, err)
			}
			i := slices.IndexFunc(rt.Symbols, func(s string) bool { return !needs.Exports[s] })
			if i < 0 {
				found = true
			} else {
				missing = fmt.Sprintf("%s does not export %s", f.local, rt.Symbols[i])
			}
		}
		switch {
		case found:
		case missing != "":
			return nil, hint.Wrap(errors.New(missing), "it is another library than %s", rt.Title)
		default:
			return nil, hint.Wrap(fmt.Errorf("%s holds no %s", dir, rt.Library[0]), "scripts/setup-native.sh --platform %s-%s %s", o.OS, o.Arch, name)
		}
	}
	return out, nil
}

// check reads what an ELF file asks of the device into f, and refuses what the
// target does not offer. Other files pass, except as the agent.
func (o Options) check(local string, f *File) error {
	needs, err := Needs(local)
	if errors.Is(err, errNotELF) && f.Path != AgentName {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", local, err)
	}
	if needs.Arch != o.Arch {
		return hint.Wrap(fmt.Errorf("%s is for %s, the bundle for %s", local, needs.Arch, o.Arch), "take the file for %s-%s", o.OS, o.Arch)
	}
	f.GLIBC, f.PageAlign, f.AndroidAPI = needs.GLIBC, needs.PageAlign, needs.AndroidAPI
	old := f.Path == AgentName || slices.Contains(o.OldGLIBC, f.Runtime)
	if old && o.MaxGLIBC != "" && newer(needs.GLIBC, o.MaxGLIBC) {
		return fmt.Errorf("%s needs glibc %s (%s), and must run on %s", local, needs.GLIBC, strings.Join(needs.Newest, ", "), o.MaxGLIBC)
	}
	if o.OS != "android" {
		return nil
	}
	if needs.GLIBC != "" {
		return hint.Wrap(fmt.Errorf("%s is linked with glibc %s, not with Android's C library", local, needs.GLIBC), "build it with the NDK's clang (ANDROID_NDK_HOME)")
	}
	if needs.AndroidAPI > androidAPILevel {
		return fmt.Errorf("%s is built for Android API %d, and must run on %d", local, needs.AndroidAPI, androidAPILevel)
	}
	for _, lib := range needs.Libraries {
		if !slices.Contains(androidPublic, lib) {
			return fmt.Errorf("%s needs %s, which is not part of the NDK's stable interface", local, lib)
		}
	}
	if !needs.Relocatable {
		return hint.Wrap(fmt.Errorf("%s is not position-independent, and Android loads nothing else", local), "build it with -buildmode=pie")
	}
	if f.Path == AgentName && needs.Interpreter != androidLoader {
		return fmt.Errorf("%s is loaded by %q, and Android has only %s", local, needs.Interpreter, androidLoader)
	}
	// Of a library the manifest says it: devices with 4 KiB pages, which most are, take it.
	if f.Path == AgentName && needs.PageAlign < androidPages {
		return hint.Wrap(fmt.Errorf("%s is linked for pages of %d bytes", local, needs.PageAlign), "link with -Wl,-z,max-page-size=16384")
	}
	return nil
}

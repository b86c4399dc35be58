package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/bundle"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
)

func bundleCommand() cli.Command {
	return cli.Command{
		Name:  "bundle",
		Short: "packs the agent and native libraries for a device into one folder with a manifest",
		Long: `
The folder is agent-NAME below --output; --target finds it there. scripts/build-agent.sh builds the agent for a
device and then runs this. The manifest names the version and SHA-256 of every file and the glibc that it needs.`,
		Example: "agent bundle --runtime onnxruntime -o dist/",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o bundle.Options
			var output, verify string
			var asJSON, check bool
			flags.StringVar(&o.OS, "os", runtime.GOOS, "operating system of the target: linux or android")
			flags.StringVar(&o.Arch, "arch", runtime.GOARCH, "architecture of the target: amd64 or arm64")
			flags.StringVar(&o.Target, "name", "", "name of the target (default: OS-ARCH)")
			flags.StringVar(&o.Agent, "agent", "", "pack this agent `FILE` (default: this program)")
			flags.StringVar(&o.Version, "agent-version", version, "version of the packed agent")
			flags.StringVar(&o.Native, "native", ".native", "take the native runtimes from this `DIR`, as scripts/setup-native.sh makes it")
			flags.StringSliceVar(&o.Runtimes, "runtime", nil, "runtimes to pack: onnxruntime, litert, tflite…")
			flags.StringVar(&o.Licences, "licences", "", "pack the licence texts of this `DIR`")
			flags.StringVar(&o.MaxGLIBC, "max-glibc", "", "fail when the agent, or a runtime of --old-glibc, needs a newer `VERSION`")
			flags.StringSliceVar(&o.OldGLIBC, "old-glibc", nil, "runtimes that --max-glibc holds for as well")
			flags.StringVarP(&output, "output", "o", "dist", "write the bundle into this `DIR`")
			flags.StringVar(&verify, "verify", "", "check the bundle in `DIR` against its manifest, and pack nothing")
			flags.BoolVar(&check, "check-runtimes", false, "check and list the runtimes that would be packed, and pack nothing")
			flags.BoolVar(&asJSON, "json", false, "print the manifest")
			cli.Group(flags, "What goes in", "os", "arch", "name", "agent", "agent-version", "native", "runtime", "licences")
			cli.Group(flags, "Checks", "max-glibc", "old-glibc", "verify", "check-runtimes")
			return func(ctx context.Context, env cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("unexpected argument %q", args[0])
				}
				var m bundle.Manifest
				var err error
				dir := verify
				if verify != "" {
					m, err = bundle.Verify(verify)
					err = hint.Wrap(err, "make the bundle again with scripts/build-agent.sh")
				} else if check {
					m.Files, err = bundle.CheckRuntimes(o)
					dir = filepath.Join(o.Native, o.OS+"-"+o.Arch)
				} else {
					if o.Target == "" {
						o.Target = o.OS + "-" + o.Arch
					}
					if strings.ContainsAny(o.Target, `/\ `) {
						return cli.Usagef("--name %q cannot name a folder", o.Target)
					}
					if o.Agent == "" {
						if o.Agent, err = os.Executable(); err != nil {
							return err
						}
					}
					dir = filepath.Join(output, "agent-"+o.Target)
					m, err = bundle.Pack(dir, o)
				}
				if err != nil {
					return err
				}
				if asJSON && check {
					e := json.NewEncoder(env.Stdout)
					return e.Encode(m.Files)
				}
				if asJSON {
					e := json.NewEncoder(env.Stdout)
					e.SetEscapeHTML(false)
					return e.Encode(m)
				}
				return printBundle(env, dir, m)
			}
		},
	}
}

func printBundle(env cli.Env, dir string, m bundle.Manifest) error {
	var total int64
	for _, f := range m.Files {
		total += f.Bytes
		if f.GLIBC == "" && f.PageAlign == 0 {
			continue // a text
		}
		line := fmt.Sprintf("%-46s %6.1f MB", f.Path, float64(f.Bytes)/1e6)
		if f.AndroidAPI != 0 {
			line += fmt.Sprintf("  API %d, pages up to %d KiB", f.AndroidAPI, f.PageAlign>>10)
		}
		if f.GLIBC != "" {
			line += "  glibc " + f.GLIBC
		}
		if f.Version != "" {
			line += "  " + f.Version
		}
		fmt.Fprintln(env.Stdout, line)
	}
	n := len(m.Files)
	if m.Format != "" {
		n++ // the manifest itself
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: %d files, %.1f MB\n", dir, n, float64(total)/1e6)
	return err
}

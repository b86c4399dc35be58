package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent/target"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
)

// targetOptions are the flags that send a command to another device.
type targetOptions struct {
	Target      string
	Bundle      string
	TargetDir   string
	TargetClean bool
	KnownHosts  string
	Identity    string
}

func (o *targetOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Target, "target", target.Local, "device to run on: local, adb:SERIAL, ssh:USER@HOST[:PORT]")
	flags.StringVar(&o.Bundle, "bundle", "", "take the agent and libraries for the target from this `DIR` (default: the one in dist/ that fits it)")
	flags.StringVar(&o.TargetDir, "target-dir", "", "work in this `DIR` on the target (default: .cache/isocost in the home folder; on Android /data/local/tmp/isocost)")
	flags.BoolVar(&o.TargetClean, "target-clean", false, "remove the job's folder from the target when it is done")
	flags.StringVar(&o.KnownHosts, "ssh-known-hosts", "", "check the host against this known_hosts `FILE` (default: ~/.ssh/known_hosts and the system's)")
	flags.StringVar(&o.Identity, "ssh-key", "", "log in with this private key `FILE` (default: an ssh-agent, ~/.ssh/id_*)")
	cli.Group(flags, "Device", targetFlags...)
}

// targetFlags stay on the host; the others are handed on.
var targetFlags = []string{"target", "bundle", "target-dir", "target-clean", "ssh-known-hosts", "ssh-key"}

// remote says whether the command is for another device.
func (o *targetOptions) remote() bool { return o.Target != target.Local }

// dialer makes the way to the target.
func (o *targetOptions) dialer(getenv func(string) string) (target.Dialer, error) {
	spec, err := target.ParseSpec(o.Target)
	if err != nil {
		return nil, cli.Usage(err)
	}
	switch spec.Kind {
	case target.ADB:
		return target.NewADBDialer(spec, o.TargetDir), nil
	case target.SSH:
		dir := o.TargetDir
		if dir == "" {
			dir = ".cache/isocost"
		}
		d := target.NewSSHDialer(spec, dir, getenv)
		if o.KnownHosts != "" {
			d.KnownHosts = []string{o.KnownHosts}
		}
		if o.Identity != "" {
			d.KeyFiles, d.AgentSock = []string{o.Identity}, ""
		}
		return d, nil
	}
	return nil, cli.Usagef("target %s is this machine: leave --target out", spec)
}

// bundle finds the bundle that fits the device.
func (o *targetOptions) bundle(ctx context.Context, d target.Dialer) (string, error) {
	if o.Bundle != "" {
		return o.Bundle, nil
	}
	name := "android-arm64"
	if _, android := d.(*target.ADBDialer); !android {
		c, err := d.Dial(ctx)
		if err != nil {
			return "", err
		}
		defer c.Close()
		var out bytes.Buffer
		if err := c.Exec(ctx, []string{"uname", "-m"}, nil, &out, nil); err != nil {
			return "", err
		}
		switch m := strings.TrimSpace(out.String()); m {
		case "x86_64":
			name = "linux-amd64"
		case "aarch64":
			name = "linux-arm64"
			// NVIDIA's own mark of a Jetson.
			if c.Exec(ctx, []string{"test", "-e", "/etc/nv_tegra_release"}, nil, nil, nil) == nil {
				name = "jetson"
			}
		default:
			return "", fmt.Errorf("%s has a processor without a bundle: %s", d, m)
		}
	}
	dir := filepath.Join("dist", "agent-"+name)
	if _, err := os.Stat(filepath.Join(dir, "agent")); err != nil {
		return "", hint.Wrap(fmt.Errorf("no bundle for %s: %s holds no agent", d, dir),
			"make it with scripts/build-agent.sh %s, or name one with --bundle", name)
	}
	return dir, nil
}

// runThere runs a short command of the agent on the target and passes its output on.
func (o *targetOptions) runThere(ctx context.Context, env cli.Env, args []string) error {
	d, err := o.dialer(env.Getenv)
	if err != nil {
		return err
	}
	bundle, err := o.bundle(ctx, d)
	if err != nil {
		return err
	}
	c, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	agent, err := target.Deploy(ctx, c, d.Base(), bundle, func(name string) { fmt.Fprintf(env.Stderr, "agent: pushing %s\n", name) })
	if err != nil {
		return err
	}
	return exitCode(c.Exec(ctx, append([]string{agent}, args...), nil, env.Stdout, env.Stderr), d)
}

// exitCode gives the agent's exit code on the device the meaning it has here; its
// own words have been passed on.
func exitCode(err error, d target.Dialer) error {
	var exit *target.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	return codeError(exit.Code, d)
}

func codeError(code int, d target.Dialer) error {
	switch code {
	case cli.ExitOK:
		return nil
	case cli.ExitUsage:
		return cli.Usagef("the agent on %s refuses its arguments (see above)", d)
	case cli.ExitPartial:
		return cli.Partial(fmt.Errorf("finished on %s, but some cases failed", d))
	}
	return hint.Wrap(fmt.Errorf("the agent on %s ended with code %d (see above)", d, code), "run the same command again to go on")
}

// benchThere runs agent bench on the target: the files it reads are pushed, its
// records stream back into output.
func (o *benchOptions) benchThere(ctx context.Context, env cli.Env, flags *pflag.FlagSet, plan *benchmarks.Plan, output string) error {
	d, err := o.dialer(env.Getenv)
	if err != nil {
		return err
	}
	files, args, err := o.handOn(flags, plan)
	if err != nil {
		return err
	}
	bundle, err := o.bundle(ctx, d)
	if err != nil {
		return err
	}
	job := &target.Job{
		Dialer: d, Bundle: bundle, Files: files, Args: args, Output: output, By: whoami(), Clean: o.TargetClean,
		Talk: env.Stderr, Stdout: env.Stdout, GiveUp: 10 * time.Minute,
		Note: func(format string, args ...any) { fmt.Fprintf(env.Stderr, "agent: "+format+"\n", args...) },
	}
	code, err := job.Run(ctx)
	if err != nil {
		return err
	}
	if o.Output != "" && !o.JSON {
		fmt.Fprintf(env.Stdout, "records: %s\n", output)
	}
	return codeError(code, d)
}

// handOn turns the flags given here into those of the device: a flag that names a
// file here becomes one that names its copy in the job's folder.
func (o *benchOptions) handOn(flags *pflag.FlagSet, plan *benchmarks.Plan) (files map[string]string, args []string, err error) {
	files = map[string]string{}
	add := func(dir, local string) string {
		name := path.Join(dir, fileName(local))
		// Two files of one name get folders of their own.
		for i := 2; files[name] != "" && files[name] != local; i++ {
			name = path.Join(fmt.Sprintf("%s%d", dir, i), fileName(local))
		}
		files[name] = local
		return "in/" + name
	}
	pair := func(flag, value string) (string, error) {
		name, local, ok := strings.Cut(value, "=")
		if !ok {
			return "", cli.Usagef("--%s %q is not NAME=FILE", flag, value)
		}
		return name + "=" + add("inputs", local), nil
	}
	args = []string{"bench", "--output", "rec.jsonl", "--for-host"}
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if s, ok := f.Value.(pflag.SliceValue); ok {
			values = s.GetSlice()
		}
		for _, v := range values {
			switch {
			case slices.Contains(targetFlags, f.Name), f.Name == "output", f.Name == "model":
				continue
			case f.Name == "plan":
				v = add("", v)
			case f.Name == "protocol", f.Name == "sim-device":
				v = add("", v)
			case f.Name == "input":
				var e error
				if v, e = pair(f.Name, v); e != nil && err == nil {
					err = e
				}
			}
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	// Models come from --model and from plain arguments. What a model keeps in other
	// files goes beside it.
	for _, m := range o.Models {
		there := add("models", m)
		args = append(args, "--model="+there)
		if e := addParts(files, strings.TrimPrefix(there, "in/"), m); e != nil {
			return nil, nil, e
		}
	}
	if o.Plan != "" {
		for _, f := range plan.ModuleFiles() {
			for _, form := range f.Forms() {
				if !filepath.IsLocal(form.File) {
					return nil, nil, hint.Wrap(fmt.Errorf("plan %s names the module %s, outside of the plan's folder", o.Plan, form.File),
						"make the plan in the space's folder or one above it, so that they can be pushed together")
				}
				files[filepath.ToSlash(form.File)] = filepath.Join(filepath.Dir(o.Plan), form.File)
			}
		}
		for _, m := range plan.Models {
			if m.File == "" {
				continue
			}
			if !filepath.IsLocal(m.File) {
				return nil, nil, hint.Wrap(fmt.Errorf("plan %s names the model %s, outside of the plan's folder", o.Plan, m.File),
					"make the plan beside its models, so that they can be pushed together")
			}
			name, local := filepath.ToSlash(m.File), filepath.Join(filepath.Dir(o.Plan), m.File)
			files[name] = local
			if err := addParts(files, name, local); err != nil {
				return nil, nil, err
			}
		}
	}
	return files, args, err
}

// addParts adds the files that a model keeps tensors in, beside the model. Two models
// whose parts have one name and differ cannot lie in one folder.
func addParts(files map[string]string, model, local string) error {
	parts, err := modelfile.Parts(local)
	if err != nil {
		return err
	}
	for _, p := range parts {
		name, from := path.Join(path.Dir(model), filepath.ToSlash(p)), filepath.Join(filepath.Dir(local), p)
		if files[name] != "" && files[name] != from {
			return hint.Wrap(fmt.Errorf("%s and another model keep tensors in files of one name, %s", local, p), "measure them one after another, or export them under other names")
		}
		files[name] = from
	}
	return nil
}

// fileName is a file's name on the device.
func fileName(local string) string { return filepath.ToSlash(filepath.Base(local)) }

// whoami names this side for others who find the device busy.
func whoami() string {
	name := "someone"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// remoteArgs are the flags of a command without those that stay here.
func remoteArgs(command string, flags *pflag.FlagSet) []string {
	args := []string{command}
	values := map[string]string{}
	flags.Visit(func(f *pflag.Flag) {
		if !slices.Contains(targetFlags, f.Name) {
			values[f.Name] = f.Value.String()
		}
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, "--"+name+"="+values[name])
	}
	return args
}

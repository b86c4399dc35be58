package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent/target"
	"github.com/isocost/isocost/internal/cli"
)

// jobName is the hidden subcommand that is the device's side of --target: the
// host starts it over the link, and it prints for the host.
const jobName = "job"

type jobOptions struct {
	Dir      string
	Lock     string
	By       string
	Prefix   int64
	RecordAt int64
	TalkAt   int64
}

func jobCommand() cli.Command {
	return cli.Command{
		Name: jobName, Args: "state|start|follow|stop|verify [-- agent arguments…]",
		Short:    cli.Hidden,
		Example:  "agent bench --target ssh:user@board starts it",
		Finishes: true,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o jobOptions
			flags.StringVar(&o.Dir, "dir", "", "folder of the job")
			flags.StringVar(&o.Lock, "lock", target.LockPath(), "lock file of the device")
			flags.StringVar(&o.By, "by", "", "name of the requester")
			flags.Int64Var(&o.Prefix, "prefix", 0, "hash this many bytes of the records")
			flags.Int64Var(&o.RecordAt, "record-at", 0, "follow the records from this byte on")
			flags.Int64Var(&o.TalkAt, "talk-at", 0, "follow the talk from this byte on")
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

func (o *jobOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) == 0 || o.Dir == "" {
		return cli.Usagef("want a verb and --dir")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	var s target.JobState
	switch args[0] {
	case "state":
		s, err = target.StateOf(dir, o.Lock, o.Prefix)
	case "start":
		supervisor := []string{self, jobName, "supervise", "--dir", dir, "--"}
		s, err = target.StartJob(dir, o.Lock, o.By, supervisor, append([]string{self}, args[1:]...))
	case "supervise":
		return target.Supervise(dir, args[1:])
	case "follow":
		return target.Follow(ctx, dir, o.Lock, o.RecordAt, o.TalkAt, cli.Raw(env.Stdout))
	case "stop":
		s, err = target.StopJob(dir, o.Lock, 10*time.Second)
	case "verify":
		return target.VerifyFiles(dir)
	default:
		return cli.Usagef("unknown verb %q", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(env.Stdout).Encode(s)
}

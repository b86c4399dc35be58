package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// childName is the hidden subcommand by which agent bench starts itself as its
// measuring child.
const childName = "measuring-child"

func benchChildCommand() cli.Command {
	return cli.Command{
		Name:     childName,
		Short:    cli.Hidden,
		Example:  "agent bench starts it",
		Finishes: true,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			return func(ctx context.Context, env cli.Env, args []string) error {
				requests := os.NewFile(child.RequestFD, "requests")
				reports := os.NewFile(child.ReportFD, "reports")
				if _, err := requests.Stat(); err != nil {
					return hint.Wrap(cli.Usagef("%s runs only as a child of agent bench", childName), "use agent bench")
				}
				child := child.Child{OwnProcess: true, Build: agent.Build,
					NewBackend: func(spec agent.BackendSpec) (agent.Backend, error) { return backendOf(spec) },
					// The campaign is gone: nobody waits for what is under way.
					Orphaned: func() { os.Exit(1) },
				}
				// An interrupt at the terminal reaches the whole process group; the campaign
				// decides when its child ends.
				return child.Serve(context.WithoutCancel(ctx), requests, reports)
			}
		},
	}
}

// specOf carries the backend's flags to the child.
func (o *backendOptions) spec() (agent.BackendSpec, error) {
	options, err := o.providerOptions()
	if err != nil {
		return agent.BackendSpec{}, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return agent.BackendSpec{}, err
	}
	return agent.BackendSpec{Name: o.Backend, Provider: o.Provider, ProviderOptions: options,
		Config: map[string]string{"flags": string(text)}}, nil
}

// backendOf makes the backend that spec describes.
func backendOf(spec agent.BackendSpec) (agent.Backend, error) {
	var o backendOptions
	if err := strictjson.Known([]byte(spec.Config["flags"]), &o); err != nil {
		return nil, fmt.Errorf("backend flags: %w", err)
	}
	return o.open()
}

// die carries out a simulated driver's fault on this process.
func die(kind string) {
	switch kind {
	case "crash":
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	case "abort":
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
	case "exit0":
		os.Exit(0)
	case "exit1":
		os.Exit(1)
	case "garbage":
		os.NewFile(child.ReportFD, "reports").WriteString("driver: 0x7f00 says hello\n")
	}
	select {} // hang, or wait for the signal
}

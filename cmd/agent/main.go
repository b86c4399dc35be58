// Command agent: see agent -h.
package main

import (
	"os"

	"github.com/isocost/isocost/internal/cli"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "dev"

func main() { os.Exit(program().Main()) }

// program lists the subcommands, one file each.
func program() *cli.Program {
	return &cli.Program{
		Name:    "agent",
		Short:   "measures operators and models on this device under a fixed protocol",
		Version: version,
		Commands: []cli.Command{
			// runtimes, lower, bundle
			planCommand(),
			deviceCommand(),
			benchCommand(),
			benchChildCommand(),
			bundleCommand(),
			jobCommand(),
			forwardCommand(),
			compareCommand(),
			recordsCommand(),
			lowerCommand(),
			runtimesCommand(),
			runtimeProbeCommand(),
		},
	}
}

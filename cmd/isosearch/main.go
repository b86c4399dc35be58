// Command isosearch: see isosearch -h.
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
		Name:    "isosearch",
		Short:   "searches architectures at equal measured cost and certifies the result",
		Version: version,
		Commands: []cli.Command{
			runCommand(),
			verifyCommand(),
			priceCommand(),
			checkCommand(),
			exportCommand(),
			studyCommand(),
			reportCommand(),
		},
	}
}

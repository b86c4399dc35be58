// Command costgen: see costgen -h.
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
		Name:    "costgen",
		Short:   "compiles measurements into an audited cost table and queries it",
		Version: version,
		Commands: []cli.Command{
			buildCommand(),
			censusCommand(),
			compileCommand(),
			auditCommand(),
			inspectCommand(),
			diffCommand(),
			exportCommand(),
			importCommand(),
			predictCommand(),
			nextCommand(),
			reportCommand(),
		},
	}
}

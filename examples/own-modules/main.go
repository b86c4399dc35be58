// Own-modules writes a small space of modules without Python, to see what such a folder
// holds and to measure and search it:
//
//	go run ./examples/own-modules space/
//	agent plan --space space/space.yaml -o plan.jsonl
package main

import (
	"fmt"
	"os"

	"github.com/isocost/isocost/benchmarks/modulespace"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/own-modules FOLDER")
		return 2
	}
	s := modulespace.Example()
	s.TFLite = true
	if err := s.Write(args[0]); err != nil {
		fmt.Fprintf(os.Stderr, "own-modules: error: %v\n", err)
		return 1
	}
	return 0
}

//go:build unix

// Command ours measures isocost for make bench, beside scripts/bench/theirs, which measures
// what one would otherwise take. It answers every line of standard input – a name and its
// arguments – with one JSON object, so that scripts/bench/bench.py can ask both in turn.
// Times are seconds of processor time: other load on the machine does not count.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// answer holds a measurement's named numbers.
type answer map[string]any

// asked are the measurements by name. They keep what they prepared for the next time.
var asked = map[string]func(args []string) (answer, error){
	"program":         program,
	"lookups-prepare": prepareLookups,
	"lookup":          oneLookup,
	"architecture":    oneArchitecture,
	"changed-layer":   changedLayer,
	"chain":           isotonicChain,
	"product":         isotonicProduct,
	"records-file":    writeRecords,
	"compile-records": compileRecords,
	"compile-cells":   compileCells,
	"driver":          drive,
	"continued":       continued,
	"space":           largeSpace,
	"explorer":        explorer,
	"utilities":       writeUtilities,
	"harness":         startHarness,
	"harness-open":    openInHarness,
	"harness-visit":   visitInHarness,
	"model":           writeModel,
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		words := strings.Fields(in.Text())
		a, err := ask(words)
		if err != nil {
			a = answer{"error": err.Error()}
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, "ours:", err)
			os.Exit(1)
		}
	}
}

func ask(words []string) (answer, error) {
	if len(words) == 0 || asked[words[0]] == nil {
		return nil, fmt.Errorf("%q is no measurement", words)
	}
	return asked[words[0]](words[1:])
}

// number is the i-th argument.
func number(args []string, i int) (int, error) {
	if i >= len(args) {
		return 0, fmt.Errorf("argument %d is missing", i+1)
	}
	return strconv.Atoi(args[i])
}

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// groupKey annotates a flag with the heading it is listed under.
const groupKey = "isocost-group"

// Group lists the named flags under a heading of their own in the help. Flags
// without a group come first, under "Flags". An unknown name panics: the help
// is wrong then, and any use of the command shows it.
func Group(flags *pflag.FlagSet, heading string, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, groupKey, []string{heading}); err != nil {
			panic(fmt.Sprintf("cli: group %q: %v", heading, err))
		}
	}
}

// flagHelp is the usage text of all flags, group by group.
func flagHelp(flags *pflag.FlagSet) string {
	order := []string{"Flags"}
	groups := map[string]*pflag.FlagSet{}
	flags.VisitAll(func(f *pflag.Flag) {
		heading := "Flags"
		if g := f.Annotations[groupKey]; len(g) == 1 {
			heading = g[0]
		}
		if groups[heading] == nil {
			groups[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
			groups[heading].SortFlags = false
			if heading != "Flags" {
				order = append(order, heading)
			}
		}
		if f.Value.Type() == "bool" { // seen as a plain value it is --json, not --json[=true|false]
			plain := *f
			plain.Value = struct{ pflag.Value }{f.Value}
			f = &plain
		}
		groups[heading].AddFlag(f)
	})
	var b strings.Builder
	for _, heading := range order {
		if g := groups[heading]; g != nil && g.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n%s:\n%s", heading, g.FlagUsagesWrapped(100))
		}
	}
	return b.String()
}

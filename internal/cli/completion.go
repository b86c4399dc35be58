package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Hidden marks commands that people do not call: they are left out of help,
// completion and reference.
const Hidden = "-"

// completion is the subcommand every program has.
func (p *Program) completion() Command {
	return Command{
		Name: "completion", Args: "bash|zsh|fish",
		Short:   "prints the shell's completion script",
		Example: p.Name + " completion bash",
		Setup: func(*pflag.FlagSet) RunFunc {
			return func(_ context.Context, env Env, args []string) error {
				if len(args) != 1 {
					return Usagef("completion takes one shell: bash, zsh or fish")
				}
				return p.writeCompletion(env.Stdout, args[0])
			}
		},
	}
}

// words maps every visible subcommand to its flags, in order.
func (p *Program) words() (names []string, flags map[string][]string) {
	flags = map[string][]string{}
	for _, c := range p.all() {
		if c.Short == Hidden {
			continue
		}
		names = append(names, c.Name)
		fs := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
		c.Setup(fs)
		fs.VisitAll(func(f *pflag.Flag) { flags[c.Name] = append(flags[c.Name], "--"+f.Name) })
		slices.Sort(flags[c.Name])
	}
	return names, flags
}

func (p *Program) writeCompletion(w io.Writer, shell string) error {
	names, flags := p.words()
	switch shell {
	case "bash", "zsh":
		if shell == "zsh" {
			fmt.Fprint(w, "autoload -U +X bashcompinit && bashcompinit\n")
		}
		fmt.Fprintf(w, "_%s() {\n  local cur=${COMP_WORDS[COMP_CWORD]}\n  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W %q -- \"$cur\"))\n    return\n  fi\n  if [[ $cur != -* ]]; then\n    COMPREPLY=($(compgen -f -- \"$cur\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n", p.Name, strings.Join(names, " "))
		for _, n := range names {
			fmt.Fprintf(w, "    %s) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", n, strings.Join(flags[n], " "))
		}
		fmt.Fprintf(w, "  esac\n}\ncomplete -o filenames -F _%s %s\n", p.Name, p.Name)
	case "fish":
		for _, c := range p.all() {
			if c.Short == Hidden {
				continue
			}
			fmt.Fprintf(w, "complete -c %s -n __fish_use_subcommand -a %s -d %q\n", p.Name, c.Name, c.Short)
			for _, f := range flags[c.Name] {
				fmt.Fprintf(w, "complete -c %s -n '__fish_seen_subcommand_from %s' -l %s\n", p.Name, c.Name, strings.TrimPrefix(f, "--"))
			}
		}
	default:
		return Usagef("completion: unknown shell %q; it is bash, zsh or fish", shell)
	}
	return nil
}

// reference is the hidden subcommand that prints the program's manual, from which
// docs/reference.md is made.
func (p *Program) reference() Command {
	return Command{
		Name: "reference", Short: Hidden,
		Setup: func(*pflag.FlagSet) RunFunc {
			return func(_ context.Context, env Env, _ []string) error {
				_, err := io.WriteString(env.Stdout, p.Reference())
				return err
			}
		},
	}
}

// Reference is the program's manual in Markdown: every visible subcommand with
// its help, in order.
func (p *Program) Reference() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s %s.\n", p.Name, p.Name, p.Short)
	for _, c := range p.all() {
		if c.Short == Hidden {
			continue
		}
		fs := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
		fs.SortFlags = false
		c.Setup(fs)
		fmt.Fprintf(&b, "\n### %s %s\n\n```text\n", p.Name, c.Name)
		c.help(&b, p.Name, fs)
		b.WriteString("```\n")
	}
	return b.String()
}

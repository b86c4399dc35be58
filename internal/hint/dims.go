package hint

import "strings"

// Dims are the flags that give open dimensions their lengths, to be typed with numbers for N;
// names that a shell would read otherwise, such as x[0], stand in quotes.
func Dims(names ...string) string {
	flags := make([]string, len(names))
	for i, name := range names {
		flags[i] = "--dim " + Word(name+"=N")
	}
	return strings.Join(flags, " ")
}

// Word makes a text one word of a POSIX shell: in single quotes nothing is special but the
// quote itself.
func Word(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@,+-") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

package searchtest

import "strings"

// Mutations are a line with each number, text and truth value changed in turn.
func Mutations(line string) []string {
	var out []string
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c >= '0' && c <= '9' && (i == 0 || line[i-1] < '0' || line[i-1] > '9'):
			out = append(out, line[:i]+string('0'+(c-'0'+1)%10)+line[i+1:])
		case c == '"' && i+1 < len(line) && line[i+1] >= 'a' && line[i+1] <= 'y':
			out = append(out, line[:i+1]+string(line[i+1]+1)+line[i+2:])
		case strings.HasPrefix(line[i:], "true"):
			out = append(out, line[:i]+"false"+line[i+4:])
		case strings.HasPrefix(line[i:], "false"):
			out = append(out, line[:i]+"true"+line[i+5:])
		}
	}
	return out
}

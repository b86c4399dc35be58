package evaluator

import (
	"bytes"
	"fmt"
)

// talk says whether a line of a program is not an answer: everything but what begins as a
// JSON object does ({' is how Python prints one of its own). Such lines are kept in the
// log, and the first is noted.
func (e *Exec) talk(line []byte) bool {
	text := bytes.TrimSpace(line)
	if bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("{'")) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.o.Log != nil {
		e.o.Log.Write(append(line[:len(line):len(line)], '\n')) // what cannot be kept is talk
	}
	if !e.talked && e.o.Note != nil && len(text) > 0 {
		e.talked = true
		e.o.Note(fmt.Sprintf("the evaluator prints lines that are not answers, such as %.60q: they are passed over and kept in its log; hint: print them to standard error", text))
	}
	return true
}

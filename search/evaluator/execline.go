package evaluator

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// ExecFormat is the format of the hello that a program may begin with
// (docs/formats/exec.md). A program that writes none speaks version 1: one request at a
// time, answered in order.
const ExecFormat = "isocost/exec/v2"

// maxConcurrency bounds what a hello may ask for.
const maxConcurrency = 1 << 12

// execHello is the first line of a program of version 2.
type execHello struct {
	Format      string `json:"format"`
	Concurrency int    `json:"concurrency"` // requests it takes at a time
}

// isHello tells a hello from an answer: no answer has a format.
func isHello(line []byte) bool { return bytes.Contains(line, []byte(`"format"`)) }

func decodeHello(line []byte) (execHello, error) {
	var h execHello
	if err := strictjson.Decode(line, &h); err != nil {
		return h, fmt.Errorf("the hello %.80q: %w; its fields are format and concurrency", line, err)
	}
	switch {
	case h.Format != ExecFormat:
		return h, fmt.Errorf("the hello names the format %.40q, this program speaks %s", h.Format, ExecFormat)
	case h.Concurrency < 1 || h.Concurrency > maxConcurrency:
		return h, fmt.Errorf("the hello says concurrency %d, which is not from 1 to %d", h.Concurrency, maxConcurrency)
	}
	return h, nil
}

// execRequest asks for one utility.
type execRequest struct {
	ID       string        `json:"id"`
	Arch     string        `json:"arch"`
	Layers   []space.Layer `json:"layers"`
	Seed     uint64        `json:"seed"`
	Fidelity float64       `json:"fidelity"`
}

// execCancel says that nobody waits for a request any more. Only programs that take
// several at a time are told; a late answer is dropped.
type execCancel struct {
	Cancel string `json:"cancel"`
}

// execAnswer is the answer to one request.
type execAnswer struct {
	ID      string             `json:"id"`
	Utility *float64           `json:"utility"`
	Parts   map[string]float64 `json:"parts"`
	Seconds float64            `json:"seconds"`
	Error   string             `json:"error"`
	Final   bool               `json:"final"` // of an error: asked again, it would be the same
}

var (
	// errDiverged is a training that came to no number: an answer, not a fault of the
	// program.
	errDiverged = errors.New("diverged")
	// errFinal marks an error that the program says would come again.
	errFinal = errors.New("final")
)

// mostUtility bounds a utility. Beyond it the squares of a few thousand differences leave
// the range of float64 (1.8e308), and with them every bound of the search; no score of a
// network comes near.
const mostUtility = 1e150

// notANumber is a utility that JSON has no word for, as programs write it.
var notANumber = regexp.MustCompile(`"utility"\s*:\s*(NaN|-?Infinity|null)`)

// decodeAnswer reads the answer to request id. An error that the program itself states is
// a *refusal, and wraps errDiverged or errFinal where asking again is of no use; any other
// error says that the program does not keep to the protocol.
func decodeAnswer(reply []byte, id string) (search.Answer, error) {
	ans, diverged, err := parseAnswer(reply)
	switch {
	case err != nil:
		return search.Answer{}, err
	case ans.ID != id:
		return search.Answer{}, fmt.Errorf("the answer has id %.40q, the request %q", ans.ID, id)
	case ans.Error != "" && ans.Final:
		return search.Answer{}, &refusal{&finalError{ans.Error}}
	case ans.Error != "":
		return search.Answer{}, &refusal{errors.New(ans.Error)}
	case diverged:
		return search.Answer{}, &refusal{fmt.Errorf("%w: the utility is not a number", errDiverged)}
	case ans.Utility == nil:
		return search.Answer{}, fmt.Errorf("the answer %.80q has neither utility nor error", reply)
	case math.IsNaN(*ans.Utility) || math.IsInf(*ans.Utility, 0) || !(ans.Seconds >= 0):
		return search.Answer{}, fmt.Errorf("the answer %.80q holds numbers out of range", reply)
	case math.Abs(*ans.Utility) > mostUtility:
		return search.Answer{}, &refusal{fmt.Errorf("%w: the utility %g is beyond ±%g", errDiverged, *ans.Utility, mostUtility)}
	}
	return search.Answer{Utility: *ans.Utility, Parts: ans.Parts, Seconds: ans.Seconds}, nil
}

// answerID is whose answer a line is.
func answerID(reply []byte) (string, error) {
	ans, _, err := parseAnswer(reply)
	return ans.ID, err
}

// parseAnswer reads an answer; diverged says that its utility is a word that stands for no
// number.
func parseAnswer(reply []byte) (ans execAnswer, diverged bool, err error) {
	text := reply
	if diverged = notANumber.Match(reply); diverged {
		text = notANumber.ReplaceAll(reply, []byte(`"utility":0`))
	}
	if err = strictjson.Decode(text, &ans); err != nil {
		err = fmt.Errorf("the answer %.80q: %w; its fields are id, utility, parts, seconds, error and final", reply, err)
	}
	return ans, diverged, err
}

// finalError is an error with the program's words that is errFinal.
type finalError struct{ text string }

func (f *finalError) Error() string   { return f.text }
func (f *finalError) Is(e error) bool { return e == errFinal }

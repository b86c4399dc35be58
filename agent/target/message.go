package target

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/isocost/isocost/internal/strictjson"
)

// A message is one line of the stream from the device side to the host. Exactly
// one of Record, Talk and State is set; an empty message is a sign of life.
type message struct {
	// Record holds whole lines of the record file, RecordEnd the offset after them.
	Record    []byte `json:"record,omitempty"`
	RecordEnd int64  `json:"record_end,omitempty"`
	// Talk holds what the job wrote to stderr.
	Talk    []byte `json:"talk,omitempty"`
	TalkEnd int64  `json:"talk_end,omitempty"`
	// State ends the stream.
	State *JobState `json:"state,omitempty"`
}

// maxMessage bounds a line: a chunk of records in base64 and a little around it.
const (
	chunkBytes = 256 << 10
	maxMessage = 2 * chunkBytes
)

func (m message) writeTo(w io.Writer) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// errTorn is the end of a stream in the middle of a message.
var errTorn = errors.New("the stream ends in the middle of a message")

// readMessages calls each for every whole message. A stream that ends is no
// error; a malformed message is.
func readMessages(r io.Reader, each func(message) error) error {
	sc := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(sc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		m, err := decodeMessage(line)
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		if err := each(m); err != nil {
			return err
		}
	}
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxMessage:
			return nil, fmt.Errorf("longer than %d bytes", maxMessage)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, errTorn
		case err != nil:
			return nil, err
		}
		return line, nil
	}
}

func decodeMessage(line []byte) (message, error) {
	var m message
	if err := strictjson.Decode(line, &m); err != nil {
		return m, fmt.Errorf("want a message of agent job follow, not %.60q: %w", line, err)
	}
	if len(m.Record) > 0 && (m.Record[len(m.Record)-1] != '\n' || m.RecordEnd < int64(len(m.Record))) {
		return m, errors.New("records that are not whole lines")
	}
	if m.State != nil {
		switch m.State.State {
		case StateNone, StateRunning, StateDone, StateDied, StateBusy:
		default:
			return m, fmt.Errorf("unknown state %q", m.State.State)
		}
	}
	return m, nil
}

package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// FormatV1 is the first field of record files without sums, which are still read and
// continued.
const FormatV1 = "isocost/records/v1"

// sumLen is the length of a line's chained sum in hex digits: 128 bits.
const sumLen = 32

// Chain closes the lines of a record file, one after another, with chained sums: SHA-256 of
// the sum of the line before and of the line's own content, as its last field. Whoever
// changes, drops, duplicates or moves a line breaks a sum. The zero value begins a file.
type Chain struct {
	sum string
	// Plain leaves lines as they are: a file of FormatV1.
	Plain bool
}

// Seal closes a line as EncodeHeader or EncodeLine gave it.
func (c *Chain) Seal(object []byte) []byte {
	if c.Plain {
		return object
	}
	c.sum = chained(c.sum, object)
	line := make([]byte, 0, len(object)+len(`,"sum":""`)+sumLen)
	line = append(append(line, object[:len(object)-1]...), `,"sum":"`...)
	return append(append(line, c.sum...), `"}`...)
}

func chained(before string, object []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write([]byte{'\n'})
	h.Write(object)
	return hex.EncodeToString(h.Sum(nil))[:sumLen]
}

// errSum is a line whose sum does not fit.
var errSum = errors.New("check sum does not fit: the line was changed, or one before it was changed, dropped or duplicated")

// open takes a line's sum off and checks it. After a line that does not fit the chain goes on
// with the sum that the line states, so that what follows can be told to be whole. The object
// lies in scratch where there is room.
func (c *Chain) open(line, scratch []byte) (object []byte, err error) {
	if c.Plain {
		return line, nil
	}
	const tail = len(`,"sum":""}`) + sumLen
	if len(line) < tail+2 || !bytes.HasPrefix(line[len(line)-tail:], []byte(`,"sum":"`)) {
		c.sum = ""
		return nil, errors.New("no check sum at the end of the line: it was cut or changed")
	}
	object = append(append(scratch[:0], line[:len(line)-tail]...), '}')
	stated := string(line[len(line)-sumLen-2 : len(line)-2])
	fits := chained(c.sum, object) == stated && line[len(line)-1] == '}' && line[len(line)-2] == '"'
	c.sum = stated
	if !fits {
		return nil, errSum
	}
	return object, nil
}

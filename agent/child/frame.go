package child

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/isocost/isocost/internal/strictjson"
)

// Frames carry the talk between campaign and child on a pipe of their own:
//
//	"iso1" | length uint32 | CRC-32 (IEEE) of the payload | payload (JSON)
//
// with little-endian integers. Native libraries print to stdout and stderr, and
// broken ones write where they should not: whatever is not a whole frame with
// the right sum is garbage, not a message.

const (
	frameMagic = "iso1"
	// visitMagic begins the frame of a visit: there are hundreds of thousands of them in a
	// campaign, and their payload is not JSON; see appendVisit.
	visitMagic = "iso2"
)

// maxFrame bounds a frame: 64 MiB is far above any message (a visit of 10⁵
// samples is 2 MB) and far below what a garbage length could ask for.
const maxFrame = 64 << 20

// errGarbage is a stream that is not frames.
var errGarbage = errors.New("not a frame")

// writeFrame writes v as one frame, in a single Write.
func writeFrame(w io.Writer, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	if len(payload) > maxFrame {
		return fmt.Errorf("a frame of %d bytes is too long", len(payload))
	}
	_, err = w.Write(appendFrame(make([]byte, 0, 12+len(payload)), frameMagic, payload))
	return err
}

func appendFrame(to []byte, magic string, payload []byte) []byte {
	to = append(to, magic...)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(payload)))
	to = binary.LittleEndian.AppendUint32(to, crc32.ChecksumIEEE(payload))
	return append(to, payload...)
}

// readFrame reads one frame into v. It returns io.EOF at a clean end between
// frames and errGarbage for anything that is not a whole frame.
func readFrame(r io.Reader, v any) error {
	var head [12]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: %d bytes and then the end", errGarbage, n)
		}
		return err
	}
	magic := string(head[:4])
	if magic != frameMagic && magic != visitMagic {
		return fmt.Errorf("%w: %q", errGarbage, head[:])
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > maxFrame {
		return fmt.Errorf("%w: length %d", errGarbage, n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return fmt.Errorf("%w: cut off: %v", errGarbage, err)
	}
	if crc32.ChecksumIEEE(payload) != binary.LittleEndian.Uint32(head[8:]) {
		return fmt.Errorf("%w: wrong sum", errGarbage)
	}
	if magic == visitMagic {
		rep, ok := v.(*Report)
		if !ok || !parseVisit(payload, rep) {
			return fmt.Errorf("%w: not a visit", errGarbage)
		}
		return nil
	}
	if err := strictjson.Known(payload, v); err != nil {
		return fmt.Errorf("%w: %v", errGarbage, err)
	}
	return nil
}

package census

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// Format is the first field of a census file: JSON lines, compressed by gzip – a header,
// then one network per line.
const Format = "isocost/census/v1"

type header struct {
	Format   string `json:"format"`
	Networks int    `json:"networks"`
}

// maxText bounds what a file may unpack to: the census of public networks takes a
// fiftieth of it.
const maxText = 256 << 20

//go:embed census.jsonl.gz
var public []byte

// Default is the census of public networks.
func Default() (*Census, error) { return Read("the built-in census", public) }

// Open reads a census file.
func Open(path string) (*Census, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, "costgen census net.onnx… --family NAME -o %s makes one of models", path)
	} else if err != nil {
		return nil, err
	}
	return Read(path, data)
}

// Encode is the file's canonical text, compressed.
func (c *Census) Encode() ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	line := func(v any) error {
		text, err := strictjson.Line(v)
		if err != nil {
			return err
		}
		_, err = z.Write(append(text, '\n'))
		return err
	}
	if err := line(header{Format, len(c.Networks)}); err != nil {
		return nil, err
	}
	for i := range c.Networks {
		if err := line(&c.Networks[i]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Read decodes a census; name is the file's, for errors, which carry file:line. It
// refuses what Encode would not have written: unknown fields, another order of
// networks, a missing or torn line.
func Read(name string, data []byte) (*Census, error) {
	remake := "make it again with costgen census"
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: not a census: %w", name, err), "%s", remake)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxText+1))
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: the file is cut or damaged: %w", name, err), "%s", remake)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("%s: unpacks to more than %d MB", name, maxText>>20)
	}
	c, row := &Census{}, 0
	var head header
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		row++
		bad := func(err error) (*Census, error) {
			return nil, hint.Wrap(fmt.Errorf("%s:%d: %w", name, row, err), "%s", remake)
		}
		if !whole {
			return bad(errors.New("the census ends in the middle of a line"))
		}
		text = rest
		if row == 1 {
			if err := strictjson.Decode(line, &head); err != nil {
				return bad(err)
			}
			if head.Format != Format {
				return bad(fmt.Errorf("format is %q, want %q", head.Format, Format))
			}
			continue
		}
		var n Network
		if err := strictjson.Decode(line, &n); err != nil {
			return bad(err)
		}
		if err := n.validate(); err != nil {
			return bad(err)
		}
		if k := len(c.Networks); k > 0 && compare(c.Networks[k-1], n) >= 0 {
			return bad(fmt.Errorf("network %s of %s in %s is out of order or twice there", n.Name, n.Family, n.Precision))
		}
		c.Networks = append(c.Networks, n)
	}
	if row == 0 || len(c.Networks) != head.Networks {
		return nil, hint.Wrap(fmt.Errorf("%s: the header promises %d networks, the file has %d", name, head.Networks, len(c.Networks)), "%s", remake)
	}
	return c, nil
}

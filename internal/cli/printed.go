package cli

import (
	"fmt"
	"io"
	"sync"
)

// Printed is a stream that a program prints on. What is printed there is Visible, whatever
// names and messages of others it holds: a terminal obeys control characters. It keeps the
// first error of writing, so that a full disk behind a redirection is a failure even of a
// command that looks at no error of printing.
type Printed struct {
	To   io.Writer
	Name string // of the stream, in errors

	mu   sync.Mutex
	held []byte // the beginning of a character whose end is still to come
	err  error
}

// Write prints b.
func (p *Printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := b
	if len(p.held) > 0 {
		text = append(p.held, b...)
	}
	text, p.held = wholeCharacters(text)
	if err := p.pass(escaped(text)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// pass hands bytes on as they are.
func (p *Printed) pass(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := p.To.Write(b)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("print to %s: %w", p.Name, err)
	}
	return err
}

// End prints what was held back of a last character that is not whole.
func (p *Printed) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass(escaped(p.held))
	p.held = nil
}

// Err returns the first error of writing, or nil.
func (p *Printed) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Raw is the stream for bytes that must arrive as they are: a file of a canonical format, a
// program at the other end, control characters of one's own.
func Raw(w io.Writer) io.Writer {
	if p, ok := w.(*Printed); ok {
		return raw{p}
	}
	return w
}

// Behind returns the stream that a stream prints on, for a program of one's own that prints there itself.
func Behind(w io.Writer) io.Writer {
	if p, ok := w.(*Printed); ok {
		return p.To
	}
	return w
}

type raw struct{ p *Printed }

func (r raw) Write(b []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if err := r.p.pass(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

package cli

import (
	"fmt"
	"io"
	"sync"
)

// Printed is a program's standard output. It keeps the first error of writing there, so
// that a full disk behind a redirection is a failure even of a command that looks at no
// error of printing.
type Printed struct {
	To io.Writer

	mu  sync.Mutex
	err error
}

// Write passes b on.
func (p *Printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.To.Write(b)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("print to standard output: %w", err)
	}
	return n, err
}

// Err returns the first error of writing, or nil.
func (p *Printed) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

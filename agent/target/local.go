package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// LocalDialer reaches this machine itself.
type LocalDialer struct{ Dir string }

func (d LocalDialer) String() string { return Local }

// Base is the folder given.
func (d LocalDialer) Base() string { return d.Dir }

// Dial needs nothing.
func (d LocalDialer) Dial(context.Context) (Conn, error) { return localConn{}, nil }

type localConn struct{}

func (localConn) Close() error { return nil }

func (localConn) Exec(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if _, err := commandLine(argv); err != nil {
		return err
	}
	said := &tail{next: stderr}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		code := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
		return &ExitError{argv[0], code, said.String()}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return &ExitError{argv[0], 127, err.Error()}
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.ENOEXEC):
		return &ExitError{argv[0], 126, err.Error()}
	}
	return err
}

func (localConn) Push(ctx context.Context, local, remote string) (err error) {
	src, err := os.Open(local)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(remote), 0o700); err != nil {
		return err
	}
	dst, err := os.CreateTemp(filepath.Dir(remote), ".push-*")
	if err != nil {
		return noSpace(err, err.Error(), remote)
	}
	defer func() {
		if err != nil {
			dst.Close()
			os.Remove(dst.Name())
		}
	}()
	if _, err := io.Copy(dst, src); err != nil {
		return noSpace(fmt.Errorf("push %s: %w", remote, err), err.Error(), remote)
	}
	if err := dst.Chmod(0o700); err != nil {
		return err
	}
	if err := dst.Close(); err != nil {
		return noSpace(err, err.Error(), remote)
	}
	return os.Rename(dst.Name(), remote)
}

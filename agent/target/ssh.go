package target

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/isocost/isocost/internal/hint"
)

// SSHDialer reaches a device over SSH. Host keys must be in a known_hosts file;
// users are authenticated by an ssh-agent or by key files without passphrase.
// No password is ever asked for or taken from a command line.
type SSHDialer struct {
	Spec       Spec
	Dir        string   // folder on the device, relative to the home folder or absolute
	KnownHosts []string // files
	KeyFiles   []string
	AgentSock  string // path of the ssh-agent's socket, "" for none
}

// NewSSHDialer fills in what OpenSSH would use: ~/.ssh/known_hosts and the
// system's, ~/.ssh/id_*, SSH_AUTH_SOCK.
func NewSSHDialer(spec Spec, dir string, getenv func(string) string) *SSHDialer {
	d := &SSHDialer{Spec: spec, Dir: dir, AgentSock: getenv("SSH_AUTH_SOCK")}
	if home := getenv("HOME"); home != "" {
		ssh := filepath.Join(home, ".ssh")
		d.KnownHosts = append(d.KnownHosts, filepath.Join(ssh, "known_hosts"))
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			d.KeyFiles = append(d.KeyFiles, filepath.Join(ssh, name))
		}
	}
	d.KnownHosts = append(d.KnownHosts, "/etc/ssh/ssh_known_hosts")
	return d
}

func (d *SSHDialer) String() string { return d.Spec.String() }

// Base is the folder on the device.
func (d *SSHDialer) Base() string { return d.Dir }

// An unanswered keep-alive in this time means that the cable is out.
const (
	sshKeepAlive = 5 * time.Second
	sshTimeout   = 15 * time.Second
)

// Dial connects, checks the host's key and logs in.
func (d *SSHDialer) Dial(ctx context.Context) (Conn, error) {
	addr := net.JoinHostPort(d.Spec.Host, strconv.Itoa(d.Spec.Port))
	check, algorithms, err := d.hostKeys(addr)
	if err != nil {
		return nil, err
	}
	methods, closeAgent, err := d.auth()
	if err != nil {
		return nil, err
	}
	defer closeAgent()
	dialer := net.Dialer{Timeout: sshTimeout}
	tcp, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLost, d, err)
	}
	// The handshake has no context of its own.
	tcp.SetDeadline(time.Now().Add(sshTimeout))
	conn, chans, reqs, err := ssh.NewClientConn(tcp, addr, &ssh.ClientConfig{
		User: d.Spec.User, Auth: methods, HostKeyCallback: check, HostKeyAlgorithms: algorithms,
	})
	if err != nil {
		tcp.Close()
		return nil, d.explain(err)
	}
	tcp.SetDeadline(time.Time{})
	c := &sshConn{client: ssh.NewClient(conn, chans, reqs), name: d.String(), done: make(chan struct{})}
	go c.keepAlive()
	return c, nil
}

// hostKeys returns the check against known_hosts and the key types to ask for:
// those on file for this host, since another type would be an unknown key.
func (d *SSHDialer) hostKeys(addr string) (ssh.HostKeyCallback, []string, error) {
	files := slices.DeleteFunc(slices.Clone(d.KnownHosts), func(f string) bool {
		_, err := os.Stat(f)
		return err != nil
	})
	if len(files) == 0 {
		return nil, nil, d.unknownHost()
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, nil, fmt.Errorf("read known_hosts: %w", err)
	}
	// A key that nobody has makes the callback list those on file.
	nobody, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil, nil, err
	}
	var algorithms []string
	var key *knownhosts.KeyError
	if err := check(addr, &net.TCPAddr{}, nobody); errors.As(err, &key) {
		for _, k := range key.Want {
			switch t := k.Key.Type(); t {
			case ssh.KeyAlgoRSA:
				algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			default:
				algorithms = append(algorithms, t)
			}
		}
	}
	// With none on file the host is unknown, unless its key is on file as revoked: the
	// handshake says.
	if len(algorithms) == 0 && !revokes(files) {
		return nil, nil, d.unknownHost()
	}
	return check, algorithms, nil
}

// revokes reports whether any of the files marks a key as revoked.
func revokes(files []string) bool {
	return slices.ContainsFunc(files, func(f string) bool {
		data, err := os.ReadFile(f)
		return err == nil && bytes.Contains(data, []byte("@revoked"))
	})
}

func (d *SSHDialer) unknownHost() error {
	return hint.Wrap(fmt.Errorf("%w: %s: its host key is not in known_hosts", ErrRefused, d),
		"connect once by hand and compare the fingerprint: ssh -p %d %s@%s", d.Spec.Port, d.Spec.User, d.Spec.Host)
}

func (d *SSHDialer) auth() (methods []ssh.AuthMethod, closeAgent func(), err error) {
	var signers []ssh.Signer
	var locked []string
	for _, f := range d.KeyFiles {
		pem, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		signer, err := ssh.ParsePrivateKey(pem)
		var passphrase *ssh.PassphraseMissingError
		if errors.As(err, &passphrase) {
			locked = append(locked, f)
		}
		if err == nil {
			signers = append(signers, signer)
		}
	}
	closeAgent = func() {}
	if d.AgentSock != "" {
		if sock, err := net.Dial("unix", d.AgentSock); err == nil {
			closeAgent = func() { sock.Close() }
			methods = append(methods, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
				fromAgent, err := agent.NewClient(sock).Signers()
				if err != nil {
					return signers, nil
				}
				return append(fromAgent, signers...), nil
			}))
		}
	}
	if len(methods) == 0 && len(signers) > 0 {
		methods = append(methods, ssh.PublicKeys(signers...))
	}
	if len(methods) == 0 {
		err := fmt.Errorf("%w: %s: no ssh-agent and no usable key file", ErrRefused, d)
		if len(locked) > 0 {
			return nil, nil, hint.Wrap(err, "%s has a passphrase: start an ssh-agent and ssh-add it", locked[0])
		}
		return nil, nil, hint.Wrap(err, "make a key with ssh-keygen and put it on the device with ssh-copy-id")
	}
	return methods, closeAgent, nil
}

// explain tells what dialling again can mend from what it cannot.
func (d *SSHDialer) explain(err error) error {
	var key *knownhosts.KeyError
	if errors.As(err, &key) {
		if len(key.Want) > 0 {
			return hint.Wrap(fmt.Errorf("%w: %s: its host key is not the one in %s:%d", ErrRefused, d, key.Want[0].Filename, key.Want[0].Line),
				"if the device was installed anew, remove the old key with ssh-keygen -R; otherwise someone is in between")
		}
		return d.unknownHost()
	}
	var revoked *knownhosts.RevokedError
	if errors.As(err, &revoked) {
		return hint.Wrap(fmt.Errorf("%w: %s: its host key is marked @revoked in %s:%d", ErrRefused, d, revoked.Revoked.Filename, revoked.Revoked.Line),
			"someone may hold a stolen key of this device: give it a new host key, or remove the line if the mark is a mistake")
	}
	var net net.Error
	if errors.As(err, &net) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s: %w", ErrLost, d, err)
	}
	return hint.Wrap(fmt.Errorf("%w: %s: %w", ErrRefused, d, err), "the key must be in the device's authorized_keys: ssh-copy-id %s@%s", d.Spec.User, d.Spec.Host)
}

type sshConn struct {
	client *ssh.Client
	name   string
	done   chan struct{}
}

// keepAlive closes a connection whose other end has gone silent.
func (c *sshConn) keepAlive() {
	t := time.NewTicker(sshKeepAlive)
	defer t.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-t.C:
		}
		answer := make(chan error, 1)
		go func() {
			_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
			answer <- err
		}()
		select {
		case err := <-answer:
			if err == nil {
				continue
			}
		case <-time.After(sshTimeout):
		case <-c.done:
			return
		}
		c.client.Close()
		return
	}
}

func (c *sshConn) Close() error {
	select {
	case <-c.done:
		return nil
	default:
	}
	close(c.done)
	return c.client.Close()
}

func (c *sshConn) Exec(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	line, err := commandLine(argv)
	if err != nil {
		return err
	}
	return c.run(ctx, argv[0], line, stdin, stdout, stderr)
}

// run executes a shell command line of our own making.
func (c *sshConn) run(ctx context.Context, name, line string, stdin io.Reader, stdout, stderr io.Writer) error {
	s, err := c.client.NewSession()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLost, c.name, err)
	}
	defer s.Close()
	said := &tail{next: stderr}
	out := &afterGreeting{}
	if stdout != nil {
		out = &afterGreeting{next: stdout, failed: make(chan struct{})}
		s.Stdout = out
	}
	s.Stdin, s.Stderr = stdin, said
	// A login shell may print before it runs anything (.bashrc, a banner of the
	// maker's): data begins behind a line of ours. Every shell knows echo and ";".
	if err := s.Start("echo " + greetingEnd + "; " + line); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLost, c.name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-out.failed:
		// The session's copying has stopped, and with it the program: nobody waits for it.
		return hint.Wrap(fmt.Errorf("%w: %s: %w", ErrRefused, c.name, out.err), "make its shell start silently for programs (ssh USER@HOST true must print nothing)")
	case err = <-ended:
	}
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		code := exit.ExitStatus()
		if sig := exit.Signal(); sig != "" && code == 0 {
			code = 128
		}
		return &ExitError{name, code, said.String()}
	}
	return fmt.Errorf("%w: %s: %w", ErrLost, c.name, err)
}

func (c *sshConn) Push(ctx context.Context, local, remote string) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	// cat to a temporary name, compare the length (a broken link ends cat early,
	// and cat calls that success), then rename.
	dir, tmp := path.Dir(remote), remote+".push"
	line := fmt.Sprintf("umask 077 && mkdir -p -- %[1]s && cat > %[2]s && [ $(wc -c < %[2]s) -eq %[4]d ] && chmod 0700 %[2]s && mv -f -- %[2]s %[3]s || { c=$?; rm -f -- %[2]s; exit $c; }",
		pathWord(dir), pathWord(tmp), pathWord(remote), st.Size())
	var said bytes.Buffer
	// The login shell may be any (fish, csh); the script is for sh.
	err = c.run(ctx, "push", "sh -c "+hint.Word(line), f, nil, &said)
	if err != nil {
		return noSpace(fmt.Errorf("push %s: %w", remote, err), said.String(), remote)
	}
	return nil
}

// pathWord quotes a path so that no program takes it for an option.
func pathWord(p string) string {
	if !path.IsAbs(p) {
		p = "./" + p
	}
	return hint.Word(p)
}

// greetingEnd is the line that ends what a login shell prints by itself.
const greetingEnd = "isocost-data-follows"

// maxGreeting bounds it.
const maxGreeting = 64 << 10

// afterGreeting passes on what follows the line greetingEnd.
type afterGreeting struct {
	next   io.Writer
	failed chan struct{} // closed when the greeting has no end; then err says so
	line   []byte        // of the greeting, the one that is not whole yet
	seen   int
	passed bool
	err    error
}

func (g *afterGreeting) Write(p []byte) (int, error) {
	n := len(p)
	for !g.passed && len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		g.line = append(g.line, line...)
		if g.seen += len(p) - len(rest); g.seen > maxGreeting {
			g.err = fmt.Errorf("its login shell prints more than %d bytes before it runs a program", maxGreeting)
			close(g.failed)
			return 0, g.err
		}
		if p = rest; whole {
			g.passed = bytes.HasSuffix(bytes.TrimRight(g.line, "\r"), []byte(greetingEnd))
			g.line = g.line[:0]
		}
	}
	if len(p) > 0 {
		if _, err := g.next.Write(p); err != nil {
			return 0, err
		}
	}
	return n, nil
}

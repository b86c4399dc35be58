package target

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"

	"github.com/isocost/isocost/internal/hint"
)

// sshWorld is a real sshd on a free port of loopback, behind a proxy whose
// connections can be cut.
type sshWorld struct {
	dialer  *SSHDialer
	proxy   *proxy
	dir     string
	hostKey ssh.PublicKey
}

func newKey(t *testing.T, file string) ssh.PublicKey {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// lacking skips, or fails where everything must be there (CI).
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ISOCOST_REQUIRE_NATIVE") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// newSSHWorld starts an sshd with the given lines of configuration added.
func newSSHWorld(t *testing.T, base string, more ...string) *sshWorld {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(sshd); err != nil {
		lacking(t, "sshd is not installed: apt-get install openssh-server")
	}
	if os.Geteuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where sshd started by root separates its privileges
	}
	dir := t.TempDir()
	hostKey := newKey(t, filepath.Join(dir, "host"))
	userKey := newKey(t, filepath.Join(dir, "user"))
	put(t, filepath.Join(dir, "authorized"), string(ssh.MarshalAuthorizedKey(userKey)))
	put(t, filepath.Join(dir, "config"), fmt.Sprintf(`ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
%s
`, filepath.Join(dir, "host"), filepath.Join(dir, "authorized"), strings.Join(more, "\n")))
	p := newProxy(t, startSSHD(t, sshd, filepath.Join(dir, "config")))
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ParseSpec(fmt.Sprintf("ssh:%s@127.0.0.1:%d", me.Username, p.port))
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(dir, "known_hosts")
	put(t, known, knownhosts.Line([]string{fmt.Sprintf("[127.0.0.1]:%d", p.port)}, hostKey)+"\n")
	return &sshWorld{&SSHDialer{Spec: spec, Dir: base, KnownHosts: []string{known}, KeyFiles: []string{filepath.Join(dir, "user")}}, p, dir, hostKey}
}

// startSSHD starts sshd and returns its port, once it listens there.
func startSSHD(t *testing.T, sshd, config string) int {
	t.Helper()
	var text []byte
	for range 5 { // a port that is free now may be another's a moment later
		port := freePort(t)
		log, err := os.Create(filepath.Join(filepath.Dir(config), "sshd.log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(sshd, "-D", "-e", "-f", config, "-p", fmt.Sprint(port))
		cmd.Stderr = log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		t.Cleanup(func() { cmd.Process.Kill(); <-ended; log.Close() })
		listens := within(time.Minute, func() bool {
			select {
			case <-ended:
				return true
			default:
			}
			text, _ = os.ReadFile(log.Name())
			return bytes.Contains(text, []byte("Server listening on"))
		})
		select {
		case <-ended:
			continue
		default:
		}
		if listens {
			return port
		}
	}
	t.Fatalf("sshd does not start: %s", text)
	return 0
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// deadPort is a port that nobody listens on as long as the test runs.
func deadPort(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return at.(*unix.SockaddrInet4).Port
}

// proxy passes connections on and can cut all of them at once.
type proxy struct {
	port int
	mu   sync.Mutex
	open []net.Conn
}

func newProxy(t *testing.T, to int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{port: l.Addr().(*net.TCPAddr).Port}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, in, out)
			p.mu.Unlock()
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	return p
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func TestSSHHonoursKnownHosts(t *testing.T) {
	w := newSSHWorld(t, t.TempDir())
	c, err := w.dialer.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	other := newKey(t, filepath.Join(w.dir, "other"))
	host := fmt.Sprintf("[127.0.0.1]:%d", w.dialer.Spec.Port)
	for name, c := range map[string]struct{ known, text, hint string }{
		"an unknown host": {"", "not in known_hosts", "fingerprint"},
		"another host":    {knownhosts.Line([]string{"example.org"}, w.hostKey) + "\n", "not in known_hosts", "fingerprint"},
		"another key":     {knownhosts.Line([]string{host}, other) + "\n", "not the one in", "ssh-keygen -R"},
		"a revoked key":   {"@revoked " + knownhosts.Line([]string{host}, w.hostKey) + "\n", "marked @revoked in", "stolen"},
	} {
		file := filepath.Join(t.TempDir(), "known_hosts")
		put(t, file, c.known)
		d := *w.dialer
		d.KnownHosts = []string{file}
		if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %v (hint: %s)", name, err, hint.Of(err))
		}
	}
	d := *w.dialer
	d.KnownHosts = []string{filepath.Join(w.dir, "none")}
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(hint.Of(err), "fingerprint") {
		t.Errorf("no known_hosts: %v", err)
	}
}

func TestSSHKeys(t *testing.T) {
	w := newSSHWorld(t, t.TempDir())
	stranger := filepath.Join(t.TempDir(), "stranger")
	newKey(t, stranger)
	d := *w.dialer
	d.KeyFiles = []string{stranger}
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(hint.Of(err), "ssh-copy-id") {
		t.Errorf("a stranger's key: %v", err)
	}
	d.KeyFiles = nil
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(hint.Of(err), "ssh-keygen") {
		t.Errorf("no key: %v", err)
	}
	// A key with a passphrase goes through an ssh-agent only.
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(priv, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "locked")
	put(t, locked, string(pem.EncodeToMemory(block)))
	d.KeyFiles = []string{locked}
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(hint.Of(err), "ssh-add") {
		t.Errorf("a locked key: %v", err)
	}
	// and through a real ssh-agent it does log in
	if _, err := exec.LookPath("ssh-agent"); err != nil {
		lacking(t, "ssh-agent is not installed: apt-get install openssh-client")
	}
	sock := filepath.Join(t.TempDir(), "sock")
	ag := exec.Command("ssh-agent", "-D", "-a", sock)
	if err := ag.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ag.Process.Kill(); ag.Wait() })
	for i := 0; ; i++ {
		add := exec.Command("ssh-add", filepath.Join(w.dir, "user"))
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+sock)
		text, err := add.CombinedOutput()
		if err == nil {
			break
		}
		if i == 1000 {
			t.Fatalf("ssh-add: %v\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.KeyFiles, d.AgentSock = nil, sock
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestSSHNobodyThere(t *testing.T) {
	w := newSSHWorld(t, t.TempDir())
	d := *w.dialer
	d.Spec.Port = deadPort(t)
	put(t, d.KnownHosts[0], knownhosts.Line([]string{fmt.Sprintf("[127.0.0.1]:%d", d.Spec.Port)}, w.hostKey)+"\n")
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("%v, want ErrLost", err)
	}
}

// A login shell that prints before it runs a program spoils no data; one that
// never stops is refused.
func TestSSHLoginShellThatPrints(t *testing.T) {
	if testing.Short() {
		t.Skip("runs jobs through sshd: make test")
	}
	base := filepath.Join(t.TempDir(), "isocost")
	w := newSSHWorld(t, base, `ForceCommand printf 'Welcome!\nNo newline here: '; eval "$SSH_ORIGINAL_COMMAND"`)
	j := newJob(t, world{dialer: w.dialer, base: base}, 20, 1)
	if code, err := j.Run(t.Context()); err != nil || code != 3 {
		t.Fatalf("code %d, %v; want 3", code, err)
	}
	checkRecords(t, j.Output, 20)
	w = newSSHWorld(t, base, `ForceCommand yes`)
	c, err := w.dialer.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out bytes.Buffer
	if err := c.Exec(t.Context(), []string{"true"}, nil, &out, nil); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "login shell prints") {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}

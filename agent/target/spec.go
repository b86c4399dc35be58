package target

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"regexp"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// Kinds of targets.
const (
	Local = "local"
	ADB   = "adb"
	SSH   = "ssh"
)

// Spec names a device as --target does: local, adb:SERIAL, ssh:USER@HOST[:PORT].
type Spec struct {
	Kind   string
	Serial string // adb
	User   string // ssh
	Host   string
	Port   int
}

const specHint = "write local, adb:SERIAL (adb devices lists them) or ssh:USER@HOST[:PORT]"

// What may be in a serial, a user and a host. The programs get them as arguments
// of their own, never through a shell; the limits keep them from being taken for
// options and keep messages readable.
var (
	// A phone on the network is listed as "adb-0A1B2C-x7Yz (2)._adb-tls-connect._tcp".
	serialRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:\[\]() -]{0,126}[A-Za-z0-9._\]])?$`)
	userRE   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._\\@-]{0,63}$`)
	hostRE   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9.])?$`)
)

// ParseSpec reads --target.
func ParseSpec(s string) (Spec, error) {
	kind, rest, _ := strings.Cut(s, ":")
	spec := Spec{Kind: kind}
	var err error
	switch {
	case s == Local:
	case kind == ADB:
		if spec.Serial = rest; !serialRE.MatchString(rest) {
			err = fmt.Errorf("%q is not a device's serial number", rest)
		}
	case kind == SSH:
		err = spec.parseSSH(rest)
	default:
		err = errors.New("unknown kind of target")
	}
	if err != nil {
		return Spec{}, hint.Wrap(fmt.Errorf("target %q: %w", s, err), specHint)
	}
	return spec, nil
}

func (s *Spec) parseSSH(rest string) error {
	at := strings.LastIndexByte(rest, '@')
	hostPort := rest[at+1:]
	if at >= 0 {
		s.User = rest[:at]
	} else if u, err := user.Current(); err == nil {
		s.User = u.Username
	}
	s.Host, s.Port = hostPort, 22
	port := ""
	switch {
	case strings.HasPrefix(hostPort, "["):
		end := strings.IndexByte(hostPort, ']')
		if end < 0 {
			return fmt.Errorf("%q lacks its ]", hostPort)
		}
		s.Host, port = hostPort[1:end], strings.TrimPrefix(hostPort[end+1:], ":")
		if after := hostPort[end+1:]; after != "" && !strings.HasPrefix(after, ":") {
			return fmt.Errorf("%q after the address", after)
		}
	case strings.Count(hostPort, ":") == 1:
		s.Host, port, _ = strings.Cut(hostPort, ":")
		if port == "" {
			return errors.New("no port after the colon")
		}
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q is not a port", port)
		}
		s.Port = n
	}
	if !userRE.MatchString(s.User) {
		return fmt.Errorf("%q is not a user name", s.User)
	}
	if !hostRE.MatchString(s.Host) && net.ParseIP(s.Host) == nil {
		return fmt.Errorf("%q is not a host name", s.Host)
	}
	return nil
}

// String returns the form ParseSpec reads.
func (s Spec) String() string {
	switch s.Kind {
	case ADB:
		return ADB + ":" + s.Serial
	case SSH:
		host := s.Host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if s.Port != 22 {
			host += ":" + strconv.Itoa(s.Port)
		}
		return SSH + ":" + s.User + "@" + host
	}
	return s.Kind
}

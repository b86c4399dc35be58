package target

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

func TestParseSpec(t *testing.T) {
	for in, want := range map[string]Spec{
		"local":                   {Kind: Local},
		"adb:0A1B2C":              {Kind: ADB, Serial: "0A1B2C"},
		"adb:192.168.1.7:5555":    {Kind: ADB, Serial: "192.168.1.7:5555"},
		"adb:emulator-5554":       {Kind: ADB, Serial: "emulator-5554"},
		"ssh:pi@raspberrypi":      {Kind: SSH, User: "pi", Host: "raspberrypi", Port: 22},
		"ssh:pi@10.0.0.2:2222":    {Kind: SSH, User: "pi", Host: "10.0.0.2", Port: 2222},
		"ssh:me@[fe80::1]:2222":   {Kind: SSH, User: "me", Host: "fe80::1", Port: 2222},
		"ssh:me@fe80::1":          {Kind: SSH, User: "me", Host: "fe80::1", Port: 22},
		"ssh:DOM\\me@host.domain": {Kind: SSH, User: "DOM\\me", Host: "host.domain", Port: 22},
	} {
		got, err := ParseSpec(in)
		if err != nil || got != want {
			t.Errorf("ParseSpec(%q) = %+v, %v", in, got, err)
		}
		if again, err := ParseSpec(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which reads as %+v, %v", in, got, again, err)
		}
	}
	for _, bad := range []string{
		"", "usb:x", "adb:", "adb:-d", "adb:a b ", "adb:$(x)", "adb:a;b", "adb:a\nb", "local:x",
		"ssh:", "ssh:@h", "ssh:u@", "ssh:-oProxyCommand=x@h", "ssh:u@-oProxyCommand=x", "ssh:u@h:0", "ssh:u@h:70000", "ssh:u@h:",
		"ssh:u@h;x", "ssh:u@$(x)", "ssh:u@h h", "ssh:u@[::1", "ssh:u@[::1]x", "ssh:u\x00@h", "ssh:u@a'b",
	} {
		if got, err := ParseSpec(bad); err == nil {
			t.Errorf("ParseSpec(%q) = %+v; want an error", bad, got)
		} else if hint.Of(err) == "" {
			t.Errorf("ParseSpec(%q): no hint", bad)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add("ssh:pi@host:22")
	f.Fuzz(func(t *testing.T, s string) {
		spec, err := ParseSpec(s)
		if err != nil {
			return
		}
		if again, err := ParseSpec(spec.String()); err != nil || again != spec {
			t.Errorf("%q → %+v → %+v, %v", s, spec, again, err)
		}
		for _, v := range []string{spec.Serial, spec.User, spec.Host} {
			if strings.HasPrefix(v, "-") || strings.ContainsAny(v, " ;$`'\"|&<>\n\x00") {
				t.Errorf("%q let %q through", s, v)
			}
		}
	})
}

// FuzzQuote gives quoted words to a real shell and demands them back unchanged.
func FuzzQuote(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Skip("no sh")
	}
	f.Fuzz(func(t *testing.T, arg string) {
		line, err := commandLine([]string{"printf", "%s", arg})
		if strings.IndexByte(arg, 0) >= 0 {
			if err == nil {
				t.Error("a NUL byte was accepted")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(sh, "-c", line)
		cmd.Dir = os.DevNull[:1]
		out, err := cmd.Output()
		if err != nil || string(out) != arg {
			t.Errorf("%q came back as %q, %v", arg, out, err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"record":"e30K","record_end":3}`))
	f.Add([]byte(`{"state":{"state":"done","code":3}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMessage(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := m.writeTo(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := decodeMessage(b.Bytes()); err != nil {
			t.Errorf("%q → %q: %v", data, b.String(), err)
		}
	})
}

func TestMessagesAreStrict(t *testing.T) {
	for _, bad := range []string{"", "{}x", `{"x":1}`, `{"record":"e30=","record_end":2}`, `{"record":"e30K","record_end":2}`,
		`{"state":{"state":"well"}}`, "{}{}", "Last login: Tue"} {
		if m, err := decodeMessage([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, m)
		}
	}
	err := readMessages(strings.NewReader("{}\n{\"rec"), func(message) error { return nil })
	if !errors.Is(err, errTorn) {
		t.Errorf("a torn stream: %v", err)
	}
	long := strings.NewReader(strings.Repeat("x", 2*maxMessage))
	if err := readMessages(long, func(message) error { return nil }); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("an endless line: %v", err)
	}
}

func FuzzHashes(f *testing.F) {
	f.Add([]byte("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  lib/x.so\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseHashes(data)
		if err != nil {
			return
		}
		again, err := parseHashes(formatHashes(list))
		if err != nil || len(again) != len(list) {
			t.Errorf("%q: %v, %v", data, again, err)
		}
	})
}

package device

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/isocost/isocost/internal/golden"
)

// wantFile is the expected output, in the same archive as the board's tree.
const wantFile = "WANT"

// board unpacks a fixture into a folder.
func board(t testing.TB, name string) string {
	t.Helper()
	ar, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range ar.Files {
		if f.Name != wantFile {
			put(t, root, f.Name, string(f.Data))
		}
	}
	return root
}

func put(t testing.TB, root, name, text string) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func openBoard(t testing.TB, name string) *Device {
	t.Helper()
	d, err := Open(board(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// summary is everything the package says about a board, one thing per line.
func summary(t testing.TB, d *Device) string {
	t.Helper()
	var b strings.Builder
	line := func(what string, v any) {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s", what, buf.String())
	}
	id, st := d.Identity(), d.Snapshot()
	top := id.Topology
	id.Topology = Topology{}
	line("identity", id)
	line("id of all cores", id.ID(top.Online()))
	line("online", top.Online())
	for _, c := range top.Clusters {
		line("cluster", c)
	}
	for _, c := range st.Clocks {
		line("clock", c)
	}
	for _, c := range st.Temperatures {
		line("temperature", c)
	}
	if hot, ok := st.HottestCelsius(); ok {
		line("hottest", hot)
	}
	for _, c := range st.Cooling {
		line("cooling", c)
	}
	for _, e := range Throttling(State{}, st) {
		line("throttling", e)
	}
	meters, noEnergy := d.EnergyMeters()
	for _, m := range meters {
		line("energy", m.Info())
	}
	for _, a := range append(st.Absent, noEnergy...) {
		line("absent", a)
	}
	st.Clocks, st.Temperatures, st.Cooling, st.Absent = nil, nil, nil, nil
	line("state", st)
	// The folder is a temporary one; a reason may name it.
	return strings.ReplaceAll(b.String(), d.fs.Root(), "")
}

// TestBoardsAreDescribed reads every fixture board and compares all of it with what the
// archive expects; -update rewrites that, for a person to review.
func TestBoardsAreDescribed(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("only %d boards: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			d := openBoard(t, name)
			text := summary(t, d)
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for _, f := range ar.Files {
				if f.Name == wantFile {
					want = string(f.Data)
				}
			}
			if text == want {
				return
			}
			if !golden.Update() {
				t.Fatalf("%s differs (go test -update rewrites it); got:\n%s", file, text)
			}
			files := ar.Files[:0]
			for _, f := range ar.Files {
				if f.Name != wantFile {
					files = append(files, f)
				}
			}
			ar.Files = append(files, txtar.File{Name: wantFile, Data: []byte(text)})
			golden.Write(t, file, txtar.Format(ar))
		})
	}
}

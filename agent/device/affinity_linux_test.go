package device

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary be its own pinned child: it starts many
// OS threads, says so, and waits for its standard input to close.
func TestMain(m *testing.M) {
	if os.Getenv("ISOCOST_DEVICE_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 12 {
		wg.Add(1)
		go func() {
			runtime.LockOSThread() // one OS thread each
			wg.Done()
			<-stop
		}()
	}
	wg.Wait()
	os.Stdout.Write([]byte("ready\n"))
	io.Copy(io.Discard, os.Stdin)
}

func TestStartPinnedIsInheritedByEveryThread(t *testing.T) {
	allowed, err := Allowed()
	if err != nil {
		t.Fatal(err)
	}
	if len(allowed) < 2 {
		t.Skip("needs two CPUs: with one, any mask is right")
	}
	last := CoreSet{allowed[len(allowed)-1]}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ISOCOST_DEVICE_TEST_CHILD=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := StartPinned(cmd, last); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	masks, err := ThreadMasks(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if len(masks) < 12 {
		t.Errorf("saw %d threads, the child has at least 12", len(masks))
	}
	for tid, m := range masks {
		if !m.Equal(last) {
			t.Errorf("thread %d may run on %s, want %s", tid, m, last)
		}
	}
	if err := CheckPinned(cmd.Process.Pid, last); err != nil {
		t.Error(err)
	}
	if err := CheckPinned(cmd.Process.Pid, CoreSet{allowed[0]}); err == nil {
		t.Error("CheckPinned accepted the wrong core")
	}
	// This process keeps its own mask.
	if now, _ := Allowed(); !now.Equal(allowed) {
		t.Errorf("the parent's mask became %s, was %s", now, allowed)
	}
}

func TestStartPinnedRefusesAnAbsentCore(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	if err := StartPinned(cmd, CoreSet{maxCPUs - 7200}); err == nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatal("pinned to a CPU that does not exist")
	}
	if cmd.Process != nil {
		t.Error("the child was started all the same")
	}
	if err := StartPinned(exec.Command(os.Args[0]), nil); err == nil {
		t.Error("the empty core set was accepted")
	}
}

func TestPinProcess(t *testing.T) {
	before, err := Allowed()
	if err != nil {
		t.Fatal(err)
	}
	defer PinProcess(before)
	one := before[:1]
	if err := PinProcess(one); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Second)
	for CheckPinned(os.Getpid(), one) != nil && time.Now().Before(deadline) {
		PinProcess(one)
	}
	if err := CheckPinned(os.Getpid(), one); err != nil {
		t.Error(err)
	}
}

package tflite

import "runtime"

// thread is one OS thread that runs functions one after another. GPU delegates
// bind their context to the thread that creates them.
type thread struct {
	work chan func() error
	done chan error
}

func newThread() *thread {
	t := &thread{work: make(chan func() error), done: make(chan error)}
	go func() {
		runtime.LockOSThread() // never unlocked: the OS thread ends with the goroutine
		for f := range t.work {
			t.done <- f()
		}
	}()
	return t
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func() error) error {
	t.work <- f
	return <-t.done
}

// stop ends the thread.
func (t *thread) stop() { close(t.work) }

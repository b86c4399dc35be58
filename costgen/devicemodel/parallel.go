package devicemodel

import (
	"runtime"
	"sync"
)

// each runs f on every item, as many at once as there are processors.
func each[T any](items []T, f func(T)) {
	var wait sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, x := range items {
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			f(x)
		})
	}
	wait.Wait()
}

//go:build tensorflow

package main

import (
	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/tensorflow"
)

func init() {
	backendMakers = append(backendMakers, struct {
		name string
		make func(o *backendOptions) (agent.Backend, error)
	}{tensorflow.Name, func(*backendOptions) (agent.Backend, error) { return tensorflow.New(), nil }})
}

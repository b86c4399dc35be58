//go:build tensorflow

package main

import "github.com/isocost/isocost/agent/tensorflow"

func init() { linked = append(linked, runtimeChoice{tensorflow.Name, &tensorflow.Flags{}}) }

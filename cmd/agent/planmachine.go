package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/lut"
)

// machine is the one that a plan of models is for, that of the table or else this one: how
// ONNX Runtime lays maps out there, and its caches.
func (o *planOptions) machine(ctx context.Context, files []*modelfile.File) (ortmodel.Target, lut.Caches, error) {
	if o.Table != "" {
		data, err := os.ReadFile(o.Table)
		if err != nil {
			return ortmodel.Target{}, lut.Caches{}, fmt.Errorf("read the table: %w", err)
		}
		t, err := lut.Decode(data)
		if err != nil {
			return ortmodel.Target{}, lut.Caches{}, fmt.Errorf("%s: %w", o.Table, err)
		}
		f := t.File()
		return ortmodel.On(f.Device, f.Runtime), f.Device.Caches, nil
	}
	var caches lut.Caches
	if d, err := device.Open("/"); err == nil {
		known, _ := d.Caches(d.Topology().Online())
		caches = lut.Caches(known)
	}
	if !slices.ContainsFunc(files, func(f *modelfile.File) bool { return f.Format == modelfile.ONNX }) {
		return ortmodel.Target{}, caches, nil
	}
	backend, err := new(ort.Flags).New()
	if err != nil {
		return ortmodel.Target{}, lut.Caches{}, err
	}
	on, err := layoutHere(ctx, backend, "cpu")
	if err != nil {
		o.cautions = append(o.cautions, fmt.Sprintf("no ONNX Runtime says how maps lie here (%v): the models are read as %s; --lut FILE names a table of the device they are planned for", err, on))
	}
	return on, caches, nil
}

// layoutHere is how the runtime lays out maps on this machine; the usual beside the error where it
// cannot say.
func layoutHere(ctx context.Context, backend *ort.Backend, provider string) (ortmodel.Target, error) {
	text, err := backend.Features(ctx, agent.Options{Provider: provider, Threads: 1})
	if err != nil {
		text = ""
	}
	return ortmodel.On(lut.Device{Arch: runtime.GOARCH}, lut.Runtime{Features: text}), err
}

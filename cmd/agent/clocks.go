package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/internal/cli"
)

// holdClocks sets the protocol's clock policy and returns what restores the
// clocks, and by what it is known to be in force. What a killed run left behind is
// restored first, whatever the policy.
func holdClocks(ctx context.Context, env cli.Env, d *device.Device, policy string) (release func(), evidence string, err error) {
	dir, err := os.UserCacheDir()
	if err != nil { // Android has no home: the folder of the agent is the user's own
		exe, err := os.Executable()
		if err != nil {
			return nil, "", err
		}
		dir = filepath.Dir(exe)
	}
	journal := filepath.Join(dir, "isocost", "clocks.json")
	restored, err := d.RestoreClocks(ctx, journal)
	if err != nil {
		return nil, "", err
	}
	for _, s := range restored {
		fmt.Fprintf(env.Stderr, "agent: restored what a killed run left: %s\n", s)
	}
	if policy == device.Observe {
		return func() {}, "", nil
	}
	hold, err := d.HoldClocks(ctx, policy, journal)
	if err != nil {
		return nil, "", err
	}
	return func() {
		if err := hold.Check(); err != nil {
			fmt.Fprintf(env.Stderr, "agent: the clocks were not held to the end: %v\n", err)
		}
		// An interrupt must not keep the clocks from being restored.
		if err := hold.Release(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintf(env.Stderr, "agent: %v\n", err)
		}
	}, hold.Evidence(), nil
}

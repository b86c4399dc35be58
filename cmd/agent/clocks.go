package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/internal/cli"
)

// holdClocks sets the protocol's clock policy and returns what restores the
// clocks, and by what it is known to be in force. What a killed run left behind is
// restored first, whatever the policy.
func holdClocks(ctx context.Context, env cli.Env, d *device.Device, policy string) (release func(), evidence string, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	journal := clockJournal(runtime.GOOS, filepath.Dir(exe))
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

// clockJournal returns where the clock journal lies: in the user's cache folder, or
// beside the agent where there is none to write to. Android's shell user has the
// home folder /, which is not his.
func clockJournal(goos, beside string) string {
	if cache, err := os.UserCacheDir(); err == nil && goos != "android" {
		if dir := filepath.Join(cache, "isocost"); os.MkdirAll(dir, 0o700) == nil {
			return filepath.Join(dir, "clocks.json")
		}
	}
	return filepath.Join(beside, "clocks.json")
}

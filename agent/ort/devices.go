//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/isocost/isocost/agent"
)

// hardwareTypes are OrtHardwareDeviceType's values.
var hardwareTypes = []string{"cpu", "gpu", "npu"}

// Accelerators lists the devices of the environment: those of built-in providers
// that know theirs, and those the plugins offer.
func (b *Backend) Accelerators() ([]agent.Accelerator, error) {
	l, err := b.load()
	if err != nil {
		return nil, err
	}
	if err := l.start(0); err != nil {
		return nil, err
	}
	all, err := l.devices()
	if err != nil {
		return nil, err
	}
	var out []agent.Accelerator
	for _, d := range all {
		a := agent.Accelerator{
			Provider: l.provider(C.GoString(C.iso_ep_name(l.api, d))),
			Vendor:   C.GoString(C.iso_ep_vendor(l.api, d)),
			Version:  l.epMetadata(d, "version"),
			Type:     "unknown",
		}
		for name, p := range l.plugins {
			if slices.Contains(p.devices, d) {
				a.Provider = name
			}
		}
		if n := int(C.iso_hw_type(l.api, d)); n >= 0 && n < len(hardwareTypes) {
			a.Type = hardwareTypes[n]
		}
		a.Hardware = strings.TrimSpace(C.GoString(C.iso_hw_vendor(l.api, d)))
		a.Software = a.Type == "cpu" && a.Provider == "webgpu" // a provider for GPUs alone, on the CPU
		if vendor, device := C.iso_hw_vendor_id(l.api, d), C.iso_hw_device_id(l.api, d); vendor != 0 || device != 0 {
			a.ID = fmt.Sprintf("%04x:%04x", uint32(vendor), uint32(device))
		}
		out = append(out, a)
	}
	return out, nil
}

// hardware names what the environment sees of the machine, for a message.
func (l *library) hardware() string {
	all, err := l.devices()
	if err != nil || len(all) == 0 {
		return "nothing"
	}
	var seen []string
	for _, d := range all {
		kind := "unknown"
		if n := int(C.iso_hw_type(l.api, d)); n >= 0 && n < len(hardwareTypes) {
			kind = hardwareTypes[n]
		}
		text := strings.TrimSpace(kind + " " + C.GoString(C.iso_hw_vendor(l.api, d)))
		if !slices.Contains(seen, text) {
			seen = append(seen, text)
		}
	}
	return strings.Join(seen, ", ")
}

// epMetadata reads what a provider says of itself, "" when it does not.
func (l *library) epMetadata(device unsafe.Pointer, key string) string {
	c := C.CString(key)
	defer C.free(unsafe.Pointer(c))
	return C.GoString(C.iso_ep_metadata(l.api, device, c))
}

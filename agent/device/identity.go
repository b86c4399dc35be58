package device

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/mem"
)

// Identity describes the machine. It holds nothing that names one specimen (no
// serial number, host name or address): two boards of one model are the same
// device to a table.
type Identity struct {
	Model       string   `json:"model"`                 // "Raspberry Pi 5 Model B Rev 1.0"
	CPU         string   `json:"cpu"`                   // "4×Cortex-A76", or the x86 model name
	SoC         string   `json:"soc,omitempty"`         // where the kernel or Android names it
	OS          string   `json:"os"`                    // linux or android
	Release     string   `json:"release,omitempty"`     // "Debian GNU/Linux 12 (bookworm)", "Android 14"
	Kernel      string   `json:"kernel,omitempty"`      // "6.1.21-v8+"
	Arch        string   `json:"arch"`                  // Go's name: arm64, amd64
	MemoryBytes int64    `json:"memory_bytes"`          // 0 unknown
	Virtual     string   `json:"virtual,omitempty"`     // "virtual machine", "container", "container in a virtual machine"
	Emulated    string   `json:"emulated,omitempty"`    // the emulator that runs this program: its times mean nothing
	Features    []string `json:"features,omitempty"`    // instruction-set extensions that matter to kernels
	Accelerator []string `json:"accelerator,omitempty"` // GPUs and NPUs the kernel names
	Topology    Topology `json:"topology"`
	// Incomplete says why this may not be all that the device is; then its ID would
	// be another device's and nothing may be recorded under it. "" where it is whole.
	Incomplete string `json:"incomplete,omitempty"`
}

// Identify opens the tree under root and returns what it is.
func Identify(root string) (Identity, error) {
	d, err := Open(root)
	if err != nil {
		return Identity{}, err
	}
	return d.Identity(), nil
}

// ID returns the stable identifier of the device measured on the given cores:
// 16 hex digits of a SHA-256 over model, cores, operating system, architecture
// and the core set. Software versions are not in it (the record carries the
// runtime's hash), and neither is anything that differs between two specimens.
func (id Identity) ID(cores CoreSet) string {
	h := sha256.New()
	for _, s := range []string{"isocost/device/v1", id.Model, id.CPU, id.OS, id.Arch, id.Emulated, cores.String()} {
		fmt.Fprintf(h, "%d:%s,", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Identity reads what the machine is. What cannot be read is "" or "unknown".
func (d *Device) Identity() Identity {
	info := d.cpuinfo()
	props, silent := d.props()
	top := d.Topology()
	id := Identity{
		OS:       "linux",
		Arch:     d.arch(info),
		Model:    d.model(info, props),
		CPU:      top.String(),
		Topology: top,
		Kernel:   d.kernel(),
		Virtual:  d.virtual(info),
		Features: features(info),
	}
	if id.CPU == "" {
		id.CPU = "unknown"
	}
	if silent != nil {
		id.Incomplete = silent.Error()
	}
	if props["ro.build.version.release"] != "" || d.fs.Exists("system/build.prop") {
		id.OS = "android"
		id.Release = strings.TrimSpace("Android " + props["ro.build.version.release"])
	} else {
		id.Release = d.osRelease()
	}
	id.SoC = d.soc(props)
	id.Accelerator = d.accelerators()
	if d.Live() {
		if id.Emulated = Emulated(); id.Emulated != "" && id.Arch == "amd64" {
			id.Features = cpuidFeatures()
		}
	}
	if d.fs.Exists("proc/meminfo") {
		if vm, err := mem.VirtualMemoryWithContext(d.inventory()); err == nil {
			id.MemoryBytes = int64(vm.Total)
		}
	}
	return id
}

// inventory points gopsutil at the tree.
func (d *Device) inventory() context.Context {
	return context.WithValue(context.Background(), common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: filepath.Join(d.fs.Root(), "proc"),
		common.HostSysEnvKey:  filepath.Join(d.fs.Root(), "sys"),
		common.HostEtcEnvKey:  filepath.Join(d.fs.Root(), "etc"),
		common.HostRootEnvKey: d.fs.Root(),
	})
}

func (d *Device) arch(info cpuinfo) string {
	if d.Live() {
		return runtime.GOARCH
	}
	if a, err := d.fs.String("proc/sys/kernel/arch"); err == nil {
		switch a {
		case "x86_64":
			return "amd64"
		case "aarch64":
			return "arm64"
		}
		return a
	}
	switch {
	case info.arm():
		return "arm64"
	case len(info.flags()) > 0:
		return "amd64"
	}
	return "unknown"
}

func (d *Device) kernel() string {
	if v, err := d.fs.String("proc/sys/kernel/osrelease"); err == nil {
		return v
	}
	// "Linux version 5.10.104-tegra (builder@host) …"
	v, _ := d.fs.String("proc/version")
	if f := strings.Fields(v); len(f) >= 3 && f[0] == "Linux" {
		return f[2]
	}
	return ""
}

func (d *Device) osRelease() string {
	text, err := d.fs.String("etc/os-release")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// model finds the machine's product name: Android's properties, the device tree,
// DMI, or the Hardware line of old ARM kernels.
func (d *Device) model(info cpuinfo, props map[string]string) string {
	if m := props["ro.product.model"]; m != "" {
		maker := props["ro.product.manufacturer"]
		if maker != "" && !strings.HasPrefix(strings.ToLower(m), strings.ToLower(maker)) {
			return maker + " " + m
		}
		return m
	}
	for _, name := range []string{"proc/device-tree/model", "sys/firmware/devicetree/base/model"} {
		if m, err := d.fs.String(name); err == nil && m != "" {
			return m
		}
	}
	vendor, _ := d.fs.String("sys/devices/virtual/dmi/id/sys_vendor")
	product, _ := d.fs.String("sys/devices/virtual/dmi/id/product_name")
	// What boards carry whose maker filled nothing in (systemd's
	// src/shared/dmi list of placeholders, the common ones).
	for _, placeholder := range []string{"To Be Filled By O.E.M.", "System manufacturer", "System Product Name", "Default string"} {
		if vendor == placeholder {
			vendor = ""
		}
		if product == placeholder {
			product = ""
		}
	}
	if m := strings.TrimSpace(vendor + " " + product); m != "" {
		return m
	}
	for _, key := range []string{"Model", "Hardware"} {
		if m := info.common[key]; m != "" {
			return m
		}
	}
	// The same machine is the same device inside of a container and outside.
	if strings.Contains(d.virtual(info), "virtual machine") {
		return "virtual machine"
	}
	return "unknown"
}

func (d *Device) soc(props map[string]string) string {
	if m := props["ro.soc.model"]; m != "" {
		return strings.TrimSpace(props["ro.soc.manufacturer"] + " " + m)
	}
	family, _ := d.fs.String("sys/devices/soc0/family")
	machine, _ := d.fs.String("sys/devices/soc0/machine")
	if strings.HasPrefix(machine, family) {
		family = ""
	}
	return strings.TrimSpace(family + " " + machine)
}

// virtual tells a virtual machine (the processor says so) and a container (its
// manager leaves a mark).
func (d *Device) virtual(info cpuinfo) string {
	vm := slices.Contains(info.flags(), "hypervisor") || d.fs.Exists("sys/hypervisor/type")
	container := d.fs.Exists(".dockerenv") || d.fs.Exists("run/.containerenv") || d.fs.Exists("run/systemd/container")
	if env, err := d.fs.Read("proc/1/environ"); err == nil {
		for v := range strings.SplitSeq(string(env), "\x00") {
			container = container || strings.HasPrefix(v, "container=")
		}
	}
	switch {
	case vm && container:
		return "container in a virtual machine"
	case vm:
		return "virtual machine"
	case container:
		return "container"
	}
	return ""
}

// Instruction-set extensions that change which kernels a runtime picks: matrix
// and dot products, half precision, wide vectors.
var kernelFeatures = []string{
	"avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
	"asimd", "asimdhp", "fphp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme", "sme2",
}

// LacksVNNI reports whether the processor is known to be an x86 one without an 8-bit dot
// product. One whose flags could not be read is not known to be.
func (id Identity) LacksVNNI() bool {
	return id.Arch == "amd64" && len(id.Features) > 0 && !slices.Contains(id.Features, "avx512_vnni") && !slices.Contains(id.Features, "avx_vnni")
}

func features(info cpuinfo) []string {
	have := info.flags()
	var out []string
	for _, f := range kernelFeatures {
		if slices.Contains(have, f) {
			out = append(out, f)
		}
	}
	return out
}

// accelerators names the GPUs and NPUs whose drivers are loaded.
func (d *Device) accelerators() []string {
	var out []string
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if m, err := d.fs.String("sys/class/kgsl/kgsl-3d0/gpu_model"); err == nil {
		add(m) // Qualcomm Adreno
	}
	for _, p := range d.fs.Glob("sys/class/misc/mali0/device/gpuinfo") {
		s, _ := d.fs.String(p)
		add(strings.TrimSpace(s))
	}
	for _, p := range d.fs.Glob("proc/driver/nvidia/gpus/*/information") {
		s, _ := d.fs.String(p)
		sc := bufio.NewScanner(strings.NewReader(s))
		for sc.Scan() {
			if v, ok := strings.CutPrefix(sc.Text(), "Model:"); ok {
				add(strings.TrimSpace(v))
			}
		}
	}
	// Tegra: "57000000.gpu" on Nano, "17000000.ga10b" on Orin with JetPack 5.
	for _, pattern := range []string{"*gpu", "*.gp10b", "*.gv11b", "*.ga10b"} {
		for _, p := range d.fs.Glob("sys/devices/platform/" + pattern + "/devfreq/*") {
			add("GPU " + filepath.Base(p))
		}
	}
	return out
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/saturation"
	"github.com/isocost/isocost/internal/onnx"
)

// caution says of a model file which of its integer products ONNX Runtime's CPU provider
// saturates on this processor; nil where the processor or the runtime does not.
func (o *benchOptions) caution(d *device.Device, b agent.BackendSpec) func(benchmarks.Model) string {
	if b.Name != ort.Name || !d.Identity().LacksVNNI() {
		return nil
	}
	known := map[string]string{}
	return func(m benchmarks.Model) string {
		text, ok := known[m.ID]
		if !ok && filepath.Ext(m.File) == ".onnx" {
			path := m.File
			if !filepath.IsAbs(path) {
				path = filepath.Join(b.PlanDir, path)
			}
			text = saturationOf(path, b.ProviderOptions[saturation.Option] == "1")
			known[m.ID] = text
		}
		return text
	}
}

// cautions are the warnings of a plan's files, a line each, should ONNX Runtime
// measure them on this processor. dir is the folder that their names start from.
func cautions(plan *benchmarks.Plan, id device.Identity, dir string) []string {
	if !id.LacksVNNI() {
		return nil
	}
	var lines []string
	files := []string{}
	for _, m := range plan.Models {
		files = append(files, m.File)
	}
	for _, f := range plan.ModuleFiles() {
		files = append(files, f.File)
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		if filepath.Ext(file) != ".onnx" {
			continue
		}
		path := file
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if text := saturationOf(path, false); text != "" {
			lines = append(lines, file+" on this processor: "+text)
		}
	}
	return lines
}

// saturationOf is the warning for one file, "" where nothing saturates. Of a file that
// cannot be read it says that: ONNX Runtime, which opened it, may know better.
func saturationOf(path string, exact bool) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return ""
	}
	layers, err := saturation.Layers(m, onnx.Folder(path))
	if err != nil {
		return fmt.Sprintf("whether its integer products saturate on this processor, which has no VNNI, is not known: %v", err)
	}
	if exact {
		layers = slices.DeleteFunc(layers, saturation.Layer.Curable)
	}
	return saturationText(layers)
}

// namedLayers says how many layers a warning names.
const namedLayers = 4

func saturationText(layers []saturation.Layer) string {
	if len(layers) == 0 {
		return ""
	}
	var names []string
	for _, l := range layers[:min(len(layers), namedLayers)] {
		names = append(names, fmt.Sprintf("%s (%s)", l.Name, l.Op))
	}
	if more := len(layers) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("its time is right, its results may be wrong: without VNNI, ONNX Runtime adds pairs of 8-bit products in 16 bits, "+
		"which saturate in %s; quantise with reduce_range or with unsigned weights, or give --provider-option %s=1 for slower, exact kernels "+
		"(onnxruntime issues 6004, 5849, 12072, 14642)", strings.Join(names, ", "), saturation.Option)
}

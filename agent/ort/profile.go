package ort

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
)

// profileTypes are ONNX Runtime's names of element types in a profile, where they
// are not numpy's.
var profileTypes = map[string]string{"float": "float32", "double": "float64"}

// parseProfile reads a profile file (Chrome's trace events) and returns its
// kernels in execution order, each with the median of its durations.
func parseProfile(data []byte) ([]agent.KernelTime, error) {
	var events []struct {
		Cat  string  `json:"cat"`
		Name string  `json:"name"`
		Dur  float64 `json:"dur"` // microseconds
		Args struct {
			Op       string             `json:"op_name"`
			Provider string             `json:"provider"`
			Index    string             `json:"node_index"`
			In       []map[string][]int `json:"input_type_shape"`
			Out      []map[string][]int `json:"output_type_shape"`
		} `json:"args"`
	}
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, fmt.Errorf("read the runtime's profile: %w", err)
	}
	var kernels []agent.KernelTime
	times := map[string][]float64{}
	place := map[string]int{}
	for _, e := range events {
		name, ok := strings.CutSuffix(e.Name, "_kernel_time")
		if e.Cat != "Node" || !ok {
			continue
		}
		// A node's index is unique, its name need not be.
		key := e.Args.Index + " " + name
		if _, seen := place[key]; !seen {
			place[key] = len(kernels)
			k := agent.KernelTime{Name: name, Op: e.Args.Op, Provider: e.Args.Provider}
			var err error
			if k.In, err = tensorTypes(e.Args.In); err == nil {
				k.Out, err = tensorTypes(e.Args.Out)
			}
			if err != nil {
				return nil, fmt.Errorf("read the runtime's profile: kernel %s: %w", name, err)
			}
			kernels = append(kernels, k)
		}
		times[key] = append(times[key], e.Dur)
	}
	if len(kernels) == 0 {
		return nil, fmt.Errorf("read the runtime's profile: %d events, no kernel", len(events))
	}
	for key, list := range times {
		slices.Sort(list)
		kernels[place[key]].US = (list[(len(list)-1)/2] + list[len(list)/2]) / 2
	}
	return kernels, nil
}

// tensorTypes reads [{"float":[1,3]}, …].
func tensorTypes(list []map[string][]int) ([]agent.TensorType, error) {
	var out []agent.TensorType
	for _, m := range list {
		if len(m) != 1 {
			return nil, fmt.Errorf("%d types for one tensor", len(m))
		}
		for dtype, shape := range maps.All(m) {
			if numpy, ok := profileTypes[dtype]; ok {
				dtype = numpy
			}
			out = append(out, agent.TensorType{DType: dtype, Shape: shape})
		}
	}
	return out, nil
}

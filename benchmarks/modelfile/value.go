package modelfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

// Value is an input or output as the file declares it.
type Value struct {
	Name string
	// DType is numpy's name of the element type; "unknown" for what is not a tensor.
	DType   string
	Shape   []Dim
	AnyRank bool // declared without a shape: even the rank is open
}

// Dim is one dimension: a length, or where the file leaves that open a name.
type Dim struct {
	// Length of an open dimension is the one that the file's own tensors are laid out for, 0 where
	// they are not.
	Length int
	// Name is the name that --dim gives a length by: the file's own, or INPUT[i] where it has none.
	Name string
}

func (d Dim) String() string {
	if d.Name != "" {
		return d.Name
	}
	return strconv.Itoa(d.Length)
}

// In is the length with the open dimensions as dims settles them; ok is false where it
// says nothing of this one.
func (d Dim) In(dims map[string]int) (n int, ok bool) {
	if d.Name == "" {
		return d.Length, true
	}
	n, ok = dims[d.Name]
	return n, ok
}

// shape lists the dimensions as text; "…" is an open rank.
func (v Value) shape() []string {
	if v.AnyRank {
		return []string{"…"}
	}
	list := []string{}
	for _, d := range v.Shape {
		list = append(list, d.String())
	}
	return list
}

func (v Value) String() string {
	return fmt.Sprintf("%s %s[%s]", v.Name, v.DType, strings.Join(v.shape(), ","))
}

// Has reports that the value has the open dimension dim.
func (v Value) Has(dim string) bool {
	return slices.ContainsFunc(v.Shape, func(d Dim) bool { return d.Name != "" && d.Name == dim })
}

type valueJSON struct {
	Name  string   `json:"name"`
	DType string   `json:"dtype"`
	Shape []string `json:"shape"`
}

// MarshalJSON writes the shape as a list of texts, lengths and names alike.
func (v Value) MarshalJSON() ([]byte, error) {
	return json.Marshal(valueJSON{v.Name, v.DType, v.shape()})
}

// Dims lists the open dimensions of the inputs, in order, each once.
func (f *File) Dims() []string {
	var out []string
	for _, v := range f.Inputs {
		for _, d := range v.Shape {
			if d.Name != "" && !slices.Contains(out, d.Name) {
				out = append(out, d.Name)
			}
		}
	}
	return out
}

// InputWith describes the first input that has an open dimension.
func (f *File) InputWith(dim string) string {
	for _, v := range f.Inputs {
		if v.Has(dim) {
			return v.String()
		}
	}
	return "its inputs"
}

// ofONNX describes an ONNX value.
func ofONNX(v *onnx.ValueInfo) Value {
	out := Value{Name: v.Name, DType: "unknown"}
	if v.Type == nil || v.Type.Other != nil {
		return out
	}
	out.DType, out.AnyRank = v.Type.Elem.String(), !v.Type.HasShape
	for i, d := range v.Type.Shape {
		if d.Open() {
			out.Shape = append(out.Shape, Dim{Name: v.DimName(i)})
		} else {
			out.Shape = append(out.Shape, Dim{Length: int(d.Value)})
		}
	}
	return out
}

// ofTFLite describes a tensor of a .tflite model by the name that its signature has for it.
func ofTFLite(t tflitefb.Tensor, name string) Value {
	v := Value{Name: name, DType: t.Type.String()}
	for i, n := range t.Shape {
		if i < len(t.Dynamic) && t.Dynamic[i] < 0 {
			v.Shape = append(v.Shape, Dim{int(n), fmt.Sprintf("%s[%d]", v.Name, i)})
		} else {
			v.Shape = append(v.Shape, Dim{Length: int(n)})
		}
	}
	return v
}

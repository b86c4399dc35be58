package tflite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/tflitefb"
)

// selectPrefix begins the names of TensorFlow's own operators, which a converter leaves in a
// model as custom ones ("Select TF ops").
const selectPrefix = "Flex"

// lacking says which operators of a model that the runtime refused are of other libraries,
// and which these are; "" where there are none.
func lacking(file []byte, signature string) string {
	m, err := tflitefb.DecodeSignature(file, signature)
	if err != nil {
		return ""
	}
	var own, selected []string
	for _, o := range m.Operators {
		list := &own
		if strings.HasPrefix(o.Custom, selectPrefix) {
			list = &selected
		}
		if o.Custom != "" && !slices.Contains(*list, o.Custom) {
			*list = append(*list, o.Custom)
		}
	}
	var says []string
	if len(own) > 0 {
		says = append(says, fmt.Sprintf("it has the custom operators %s, whose kernels are registered by the program that they belong to and are not in this library (those of TensorFlow, Select TF ops, are called Flex…): convert it with built-in operators alone", strings.Join(own, ", ")))
	}
	if len(selected) > 0 {
		says = append(says, fmt.Sprintf("it has the operators %s of TensorFlow (Select TF ops), which are in the library libtensorflowlite_flex and not in this one: convert it with built-in operators alone", strings.Join(selected, ", ")))
	}
	return strings.Join(says, "; ")
}

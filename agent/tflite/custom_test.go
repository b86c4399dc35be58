package tflite

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/tflitefb"
)

func TestLackingOperatorsAreNamed(t *testing.T) {
	model := func(custom ...string) []byte {
		m := &tflitefb.Model{Tensors: []tflitefb.Tensor{{Name: "t0", Type: tflitefb.Float32, Shape: []int32{1, 4}}}, Inputs: []int32{0}}
		for _, name := range custom {
			m.Tensors = append(m.Tensors, tflitefb.Tensor{Name: "t", Type: tflitefb.Float32, Shape: []int32{1, 4}})
			to := int32(len(m.Tensors) - 1)
			m.Operators = append(m.Operators, tflitefb.Operator{Code: tflitefb.Custom, Custom: name, Inputs: []int32{to - 1}, Outputs: []int32{to}})
		}
		m.Outputs = []int32{int32(len(m.Tensors) - 1)}
		data, err := tflitefb.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, test := range []struct {
		ops  []string
		want []string
	}{
		{[]string{"MyCustom", "MyCustom", "Other"}, []string{"operators MyCustom, Other,", "Select TF ops"}},
		{[]string{"FlexErf"}, []string{"FlexErf of TensorFlow (Select TF ops)", "libtensorflowlite_flex"}},
		{[]string{"MyCustom", "FlexErf"}, []string{"operators MyCustom,", "FlexErf of TensorFlow"}},
	} {
		got := lacking(model(test.ops...), "")
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q: %q does not say %q", test.ops, got, want)
			}
		}
	}
	if got := lacking([]byte("no model"), ""); got != "" {
		t.Errorf("of no model: %q", got)
	}
}

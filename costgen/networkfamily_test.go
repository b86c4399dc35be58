package costgen

import "testing"

func TestFamilyOfNetwork(t *testing.T) {
	for name, want := range map[string]string{
		"mobilenetv2/mobilenet_v2.fp32.65536.0": "mobilenetv2", // a plan's chain
		"nasbench201/nasbench201_3.fp32.1.7":    "nasbench201",
		"mobilenet_v3_small":                    "mobilenetv3",
		"mobilenet_v2_140.script.onnx":          "mobilenetv2",
		"resnext101_64x4d":                      "resnet",
		"resnet101":                             "resnet",
		"efficientnet_b7":                       "efficientnet",
		"ofa176_20":                             "ofa",
		"deit_tiny_distilled":                   "vit",
		"mobilenet_75":                          "mobilenet", // of four families
		"diracnet18v2":                          "diracnet",
		"net12":                                 "net",
		"007":                                   "007",
	} {
		if got := FamilyOfNetwork(name); got != want {
			t.Errorf("%s is of the family %s, want %s", name, got, want)
		}
	}
}

package network

import "testing"

func TestBatch(t *testing.T) {
	type shapes = [][]int
	for _, test := range []struct {
		name         string
		inputs, maps shapes
		asked, want  int
	}{
		{"images", shapes{{8, 3, 32, 32}}, shapes{{8, 3, 32, 32}, {8, 16, 16, 16}}, 1, 8},
		{"one image", shapes{{1, 3, 32, 32}}, shapes{{1, 16, 16, 16}}, 8, 1},
		{"sequences", shapes{{8, 128, 64}}, nil, 1, 8},
		{"sequences with a mask", shapes{{8, 128, 64}, {128, 128}}, nil, 1, 8},
		{"an image without a batch", shapes{{3, 32, 32}}, shapes{{1, 3, 32, 32}}, 1, 1},
		{"windows", shapes{{8, 3, 32, 32}}, shapes{{128, 4, 49, 49}}, 1, 8},
		{"rows", shapes{{256, 64}}, nil, 1, 1},
		{"rows, for a table of no known batch", shapes{{256, 64}}, nil, 0, 1},
		{"rows that are the batch asked for", shapes{{256, 64}}, nil, 256, 256},
		{"token numbers", shapes{{8, 128}, {8, 128}}, shapes{{8, 12, 128, 128}}, 1, 8},
		{"noise that becomes images", shapes{{8, 100}}, shapes{{8, 512, 4, 4}}, 1, 8},
		{"rows that become one image", shapes{{256, 64}}, shapes{{1, 1, 256, 64}}, 1, 1},
		{"inputs that disagree", shapes{{8, 3, 32, 32}, {4, 3, 32, 32}}, shapes{{8, 3, 32, 32}}, 1, 1},
		{"an empty first dimension", shapes{{0, 3, 32, 32}}, shapes{{0, 3, 32, 32}}, 1, 1},
		{"a number beside images", shapes{{8}, {4, 3, 8, 8}}, shapes{{4, 3, 8, 8}}, 1, 4},
		{"nothing", nil, nil, 1, 1},
	} {
		if got := Batch(test.inputs, test.maps, test.asked); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

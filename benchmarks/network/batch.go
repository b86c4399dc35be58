package network

// Batch returns the number of items per inference of a model. inputs are the shapes of what it
// is given, maps those of its activations of four dimensions, constants in neither. asked
// is the batch that the keys are wanted for, 0 where any will do.
//
// It is the first dimension of the inputs of three dimensions and more, if that is one of
// the maps' too: an image without a batch has its channels there. Inputs of two dimensions
// are rows as well as a batch. Unless a map says that they are items, a layer of 256 rows
// runs exactly as one of a row at batch 256 does, so they count as a batch only where it is
// the one that is asked for. Inputs that disagree have none: 1.
func Batch(inputs, maps [][]int, asked int) int {
	rank := 2
	for _, s := range inputs {
		if len(s) > 2 {
			rank = 3
		}
	}
	b := 0
	for _, s := range inputs {
		switch {
		case len(s) < rank:
		case b != 0 && b != s[0]:
			return 1
		default:
			b = s[0]
		}
	}
	if b <= 1 {
		return 1
	}
	for _, s := range maps {
		if s[0] > 0 && s[0]%b == 0 { // windows of a map lie side by side in the first dimension
			return b
		}
	}
	if len(maps) > 0 || rank == 2 && b != asked {
		return 1
	}
	return b
}

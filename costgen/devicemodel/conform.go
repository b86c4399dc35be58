package devicemodel

// conform sets the scale of intervals by families of networks, each predicted without it.
func (f *fitter) conform() {}

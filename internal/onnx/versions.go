package onnx

// changed are the versions of ONNX's own operator set in which an operator of an
// existing name began to mean something else for a node written before: an attribute
// became an input, a default changed, a mode has another name. Versions that only add
// types, optional inputs or attributes are not here. After the changelog of operators
// in onnx/onnx, versions 8 to Known.
var changed = map[string][]int64{
	"BatchNormalization": {9, 14},
	"Clip":               {11},
	"DFT":                {20},
	"Dropout":            {12},
	"GridSample":         {20},
	"GroupNormalization": {21},
	"Hardmax":            {13},
	"LogSoftmax":         {13},
	"Pad":                {11},
	"ReduceL1":           {18},
	"ReduceL2":           {18},
	"ReduceLogSum":       {18},
	"ReduceLogSumExp":    {18},
	"ReduceMax":          {18},
	"ReduceMean":         {18},
	"ReduceMin":          {18},
	"ReduceProd":         {18},
	"ReduceSum":          {13},
	"ReduceSumSquare":    {18},
	"Resize":             {11},
	"Scan":               {9},
	"Slice":              {10},
	"Softmax":            {13},
	"Split":              {13, 18},
	"Squeeze":            {13},
	"TopK":               {10},
	"Unsqueeze":          {13},
	"Upsample":           {9, 10},
	"Scatter":            {11},
}

// Known is the last version of ONNX's own operators whose changes are known here.
const Known = 24

// ChangedBetween returns the first version above from, up to to, in which a node of
// ONNX's own operator op means something else than in version from; 0 where there is
// none, and also for a Split whose parts are given and a BatchNormalization that does
// not train, which version 18 and 14 leave as they are.
func ChangedBetween(n *Node, from, to int64) int64 {
	for _, v := range changed[n.Op] {
		switch {
		case v <= from || v > to:
		case n.Op == "Split" && v == 18 && len(n.Inputs) > 1 && n.Inputs[1] != "":
		case n.Op == "BatchNormalization" && v == 14 && len(n.Outputs) == 1:
		default:
			return v
		}
	}
	return 0
}

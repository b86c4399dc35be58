package tflitefb

import "strconv"

// String is the schema's name, or "OP_n".
func (o Op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return "OP_" + strconv.Itoa(int(o))
}

// OptionsType names an options table (schema union BuiltinOptions).
type OptionsType uint8

// The options tables isocost writes, or copies.
const (
	NoOptions                    OptionsType = 0
	Conv2DOptions                OptionsType = 1
	DepthwiseConv2DOptions       OptionsType = 2
	Pool2DOptions                OptionsType = 5
	FullyConnectedOptions        OptionsType = 8
	SoftmaxOptions               OptionsType = 9
	ConcatenationOptions         OptionsType = 10
	AddOptions                   OptionsType = 11
	L2NormOptions                OptionsType = 12
	ResizeBilinearOptions        OptionsType = 15
	ReshapeOptions               OptionsType = 17
	SpaceToDepthOptions          OptionsType = 19
	MulOptions                   OptionsType = 21
	PadOptions                   OptionsType = 22
	GatherOptions                OptionsType = 23
	TransposeOptions             OptionsType = 26
	ReducerOptions               OptionsType = 27
	SubOptions                   OptionsType = 28
	DivOptions                   OptionsType = 29
	SqueezeOptions               OptionsType = 30
	StridedSliceOptions          OptionsType = 32
	SplitOptions                 OptionsType = 35
	CastOptions                  OptionsType = 37
	DequantizeOptions            OptionsType = 38
	ArgMaxOptions                OptionsType = 40
	SliceOptions                 OptionsType = 48
	TransposeConvOptions         OptionsType = 49
	ShapeOptions                 OptionsType = 55
	PackOptions                  OptionsType = 59
	UnpackOptions                OptionsType = 64
	SquareOptions                OptionsType = 66
	SplitVOptions                OptionsType = 79
	DepthToSpaceOptions          OptionsType = 94
	ResizeNearestNeighborOptions OptionsType = 74
	LeakyReluOptions             OptionsType = 75
	SquaredDifferenceOptions     OptionsType = 76
	QuantizeOptions              OptionsType = 89
	HardSwishOptions             OptionsType = 91
	BatchMatMulOptions           OptionsType = 101
	GeluOptions                  OptionsType = 116
)

type fieldKind uint8

const (
	kindInt8 fieldKind = iota
	kindInt32
	kindBool
	kindFloat32
	kindUnused // a field isocost never sets, or that the schema has retired
)

type optionField struct {
	name string
	kind fieldKind
	def  float64 // the schema's default
}

// optionFields is the part of schema.fbs that says which field stands in which
// slot of each options table.
var optionFields = map[OptionsType][]optionField{
	Conv2DOptions: {{"padding", kindInt8, 0}, {"stride_w", kindInt32, 0}, {"stride_h", kindInt32, 0},
		{"fused_activation_function", kindInt8, 0}, {"dilation_w_factor", kindInt32, 1}, {"dilation_h_factor", kindInt32, 1}},
	DepthwiseConv2DOptions: {{"padding", kindInt8, 0}, {"stride_w", kindInt32, 0}, {"stride_h", kindInt32, 0},
		{"depth_multiplier", kindInt32, 0}, {"fused_activation_function", kindInt8, 0},
		{"dilation_w_factor", kindInt32, 1}, {"dilation_h_factor", kindInt32, 1}},
	Pool2DOptions: {{"padding", kindInt8, 0}, {"stride_w", kindInt32, 0}, {"stride_h", kindInt32, 0},
		{"filter_width", kindInt32, 0}, {"filter_height", kindInt32, 0}, {"fused_activation_function", kindInt8, 0}},
	FullyConnectedOptions: {{"fused_activation_function", kindInt8, 0}, {"weights_format", kindInt8, 0},
		{"keep_num_dims", kindBool, 0}, {"asymmetric_quantize_inputs", kindBool, 0}},
	SoftmaxOptions:       {{"beta", kindFloat32, 0}},
	ConcatenationOptions: {{"axis", kindInt32, 0}, {"fused_activation_function", kindInt8, 0}},
	AddOptions:           {{"fused_activation_function", kindInt8, 0}, {"pot_scale_int16", kindBool, 1}},
	// Slots 0 and 1 held the new size before it became an input.
	ResizeBilinearOptions: {{"", kindUnused, 0}, {"", kindUnused, 0}, {"align_corners", kindBool, 0}, {"half_pixel_centers", kindBool, 0}},
	ReshapeOptions:        {{"", kindUnused, 0}}, // new_shape: Options.NewShape
	SqueezeOptions:        {{"", kindUnused, 0}}, // squeeze_dims: Options.NewShape
	L2NormOptions:         {{"fused_activation_function", kindInt8, 0}},
	ArgMaxOptions:         {{"output_type", kindInt8, 0}},
	ShapeOptions:          {{"out_type", kindInt8, 0}},
	PackOptions:           {{"values_count", kindInt32, 0}, {"axis", kindInt32, 0}},
	UnpackOptions:         {{"num", kindInt32, 0}, {"axis", kindInt32, 0}},
	SpaceToDepthOptions:   {{"block_size", kindInt32, 0}},
	MulOptions:            {{"fused_activation_function", kindInt8, 0}},
	PadOptions:            {},
	GatherOptions:         {{"axis", kindInt32, 0}, {"batch_dims", kindInt32, 0}},
	TransposeOptions:      {},
	ReducerOptions:        {{"keep_dims", kindBool, 0}},
	SubOptions:            {{"fused_activation_function", kindInt8, 0}, {"pot_scale_int16", kindBool, 1}},
	DivOptions:            {{"fused_activation_function", kindInt8, 0}},
	StridedSliceOptions: {{"begin_mask", kindInt32, 0}, {"end_mask", kindInt32, 0}, {"ellipsis_mask", kindInt32, 0},
		{"new_axis_mask", kindInt32, 0}, {"shrink_axis_mask", kindInt32, 0}},
	SplitOptions:      {{"num_splits", kindInt32, 0}},
	CastOptions:       {{"in_data_type", kindInt8, 0}, {"out_data_type", kindInt8, 0}},
	DequantizeOptions: {},
	SliceOptions:      {},
	TransposeConvOptions: {{"padding", kindInt8, 0}, {"stride_w", kindInt32, 0}, {"stride_h", kindInt32, 0},
		{"fused_activation_function", kindInt8, 0}},
	SquareOptions:                {},
	SplitVOptions:                {{"num_splits", kindInt32, 0}},
	DepthToSpaceOptions:          {{"block_size", kindInt32, 0}},
	ResizeNearestNeighborOptions: {{"align_corners", kindBool, 0}, {"half_pixel_centers", kindBool, 0}},
	LeakyReluOptions:             {{"alpha", kindFloat32, 0}},
	SquaredDifferenceOptions:     {},
	QuantizeOptions:              {},
	HardSwishOptions:             {},
	BatchMatMulOptions:           {{"adj_x", kindBool, 0}, {"adj_y", kindBool, 0}, {"asymmetric_quantize_inputs", kindBool, 0}},
	GeluOptions:                  {{"approximate", kindBool, 0}},
}

// Value is an option by the schema's name, its default when left out.
func (o Options) Value(name string) float64 {
	if v, ok := o.Values[name]; ok {
		return v
	}
	for _, f := range optionFields[o.Type] {
		if f.name == name {
			return f.def
		}
	}
	return 0
}

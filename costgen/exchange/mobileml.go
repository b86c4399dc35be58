package exchange

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/gpudelegate"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// The CSV files of qed-usc/mobile-ml-benchmark (Li, Paolieri and Golubchik, "Inference
// Latency Prediction at the Edge", 2022): the kernels of whole networks on phones' GPUs, a
// line per kernel in the order they run, and the networks end to end. Each phone has columns of
// its own. Kernels that only work element by element and are linked to none are not in them.
const (
	MobileMLKernels  = "tflite_cnn_ops_gpu.csv"
	MobileMLNetworks = "tflite_cnn_e2e.csv"
)

// mobileRow is a kernel of a network, with what each phone says of it.
type mobileRow struct {
	line  int
	model string
	key   map[string]lut.Op // by phone, whose delegate may link another chain
	us    map[string]float64
}

// mobileNet is a network end to end.
type mobileNet struct {
	line      int
	name      string
	mean, std map[string]float64 // us, by phone
}

// mobileTables are both files, read and checked.
type mobileTables struct {
	phones   []string // sorted
	rows     []mobileRow
	networks []mobileNet
}

// sheet is a CSV file with the columns that it must have.
type sheet struct {
	name string
	r    *csv.Reader
	at   map[string]int
}

// at wraps an error with where in the file it is.
func at(file string, line int, err error) error { return fmt.Errorf("%s:%d: %w", file, line, err) }

const wholeFiles = "fetch the file again, whole and as it was published"

// openSheet reads the header. Errors: an empty file, another delimiter, a column that is not
// there or there twice.
func openSheet(name string, data []byte, need []string) (*sheet, error) {
	text := bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, hint.Wrap(at(name, 1, errors.New("the file is empty")), wholeFiles)
	}
	s := &sheet{name, csv.NewReader(bytes.NewReader(text)), map[string]int{}}
	header, err := s.r.Read()
	if err != nil {
		return nil, s.broken(err)
	}
	for i, h := range header {
		if _, twice := s.at[h]; twice {
			return nil, hint.Wrap(at(name, 1, fmt.Errorf("the column %q is there twice", h)), wholeFiles)
		}
		s.at[h] = i
	}
	for _, c := range need {
		if _, ok := s.at[c]; ok {
			continue
		}
		err := at(name, 1, fmt.Errorf("no column %q", c))
		for sign, what := range map[string]string{";": "semicolons", "\t": "tabs"} {
			if strings.Count(strings.Join(header, ","), sign) >= len(need)-1 {
				return nil, hint.Wrap(err, "its fields are separated by %s; they must be by commas", what)
			}
		}
		return nil, hint.Wrap(err, "the first line names the columns; there are %s", some(slices.Clone(header)))
	}
	return s, nil
}

func (s *sheet) broken(err error) error {
	var bad *csv.ParseError
	if !errors.As(err, &bad) {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if errors.Is(bad.Err, csv.ErrFieldCount) {
		err = fmt.Errorf("the line has not the header's %d fields", s.r.FieldsPerRecord)
	} else {
		err = bad.Err
	}
	return hint.Wrap(at(s.name, bad.StartLine, err), "the file was cut or edited: %s", wholeFiles)
}

// next is the next line's fields by column, nil at the end.
func (s *sheet) next() (func(column string) string, int, error) {
	row, err := s.r.Read()
	if err == io.EOF {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, s.broken(err)
	}
	line, _ := s.r.FieldPos(0)
	return func(column string) string { return row[s.at[column]] }, line, nil
}

// time is a field's number of microseconds. Whether it can be one of a kernel is said of all
// cells at once.
func (s *sheet) time(line int, column, text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, hint.Wrap(at(s.name, line, fmt.Errorf("%s is %q, not a number of microseconds", column, text)), "measure it, or take the line out")
	}
	return v, nil
}

// phonesOf are the phones that have both columns, prefix|gpu|float and …|kernel for instance.
func (s *sheet) phonesOf(suffixes ...string) []string {
	var phones []string
	for column := range s.at {
		phone, ok := strings.CutSuffix(column, suffixes[0])
		for _, other := range suffixes[1:] {
			_, there := s.at[phone+other]
			ok = ok && there
		}
		if ok && phone != "" {
			phones = append(phones, phone)
		}
	}
	slices.Sort(phones)
	return phones
}

const gpuFloat, gpuKernel = "|gpu|float", "|gpu|kernel"

// readMobileML reads both files' texts.
func readMobileML(kernels, networks []byte, p lut.Precision) (*mobileTables, error) {
	t := &mobileTables{}
	s, err := openSheet(MobileMLKernels, kernels, []string{"model", "operation", "feature"})
	if err != nil {
		return nil, err
	}
	if t.phones = s.phonesOf(gpuFloat, gpuKernel); len(t.phones) == 0 {
		return nil, hint.Wrap(at(s.name, 1, fmt.Errorf("no phone has both columns PHONE%s and PHONE%s", gpuFloat, gpuKernel)), "only what was measured on GPUs is read")
	}
	seen := map[string]int{}
	sides := map[string]map[int]bool{} // sides of a network's maps so far
	for {
		field, line, err := s.next()
		if err != nil {
			return nil, err
		}
		if field == nil {
			break
		}
		row := mobileRow{line: line, model: field("model"), key: map[string]lut.Op{}, us: map[string]float64{}}
		if row.model == "" {
			return nil, hint.Wrap(at(s.name, line, errors.New("the kernel is of no model")), wholeFiles)
		}
		id := row.model + "\x00" + field(t.phones[0]+gpuKernel)
		if first, twice := seen[id]; twice {
			return nil, hint.Wrap(at(s.name, line, fmt.Errorf("%s of %s is on line %d as well", field(t.phones[0]+gpuKernel), row.model, first)), "take one of them out")
		}
		seen[id] = line
		f, err := features(field("feature"))
		if err != nil {
			return nil, hint.Wrap(at(s.name, line, err), wholeFiles)
		}
		if sides[row.model] == nil {
			sides[row.model] = map[int]bool{}
		}
		for _, phone := range t.phones {
			op, err := mobileKey(field("operation"), field(phone+gpuKernel), f, sides[row.model], p)
			if err != nil {
				return nil, hint.Wrap(at(s.name, line, err), wholeFiles)
			}
			row.key[phone] = op
			if row.us[phone], err = s.time(line, phone+gpuFloat, field(phone+gpuFloat)); err != nil {
				return nil, err
			}
		}
		if out := f["Output_shape"]; f["Stride"] > 0 && out > 0 {
			sides[row.model][out] = true
		}
		t.rows = append(t.rows, row)
	}
	if len(t.rows) == 0 {
		return nil, hint.Wrap(at(s.name, 1, errors.New("no kernel follows the header")), wholeFiles)
	}
	return t, t.readNetworks(networks)
}

func (t *mobileTables) readNetworks(data []byte) error {
	s, err := openSheet(MobileMLNetworks, data, []string{"model"})
	if err != nil {
		return err
	}
	for _, phone := range t.phones {
		if !slices.Contains(s.phonesOf(gpuFloat+"|mean", gpuFloat+"|std"), phone) {
			return hint.Wrap(at(s.name, 1, fmt.Errorf("no columns %s|mean and |std", phone+gpuFloat)), "both files must be of the same phones")
		}
	}
	seen := map[string]int{}
	for {
		field, line, err := s.next()
		if err != nil {
			return err
		}
		if field == nil {
			return nil
		}
		n := mobileNet{line: line, name: field("model"), mean: map[string]float64{}, std: map[string]float64{}}
		if first, twice := seen[n.name]; twice {
			return hint.Wrap(at(s.name, line, fmt.Errorf("%s is on line %d as well", n.name, first)), "take one of them out")
		}
		seen[n.name] = line
		for _, phone := range t.phones {
			for column, to := range map[string]map[string]float64{"|mean": n.mean, "|std": n.std} {
				if to[phone], err = s.time(line, phone+gpuFloat+column, field(phone+gpuFloat+column)); err != nil {
					return err
				}
			}
			if n.std[phone] < 0 {
				return hint.Wrap(at(s.name, line, fmt.Errorf("the standard deviation of %s on %s is %v", n.name, phone, n.std[phone])), wholeFiles)
			}
		}
		t.networks = append(t.networks, n)
	}
}

var featureOf = regexp.MustCompile(`'(\w+)': '?([^',}]*)'?`)

// mostSide bounds channels and maps: what is beyond was not measured on a phone.
const mostSide = 1 << 20

// features reads "{'Input_shape': '224', 'Kernel': '3', …}"; "-" is left out.
func features(text string) (map[string]int, error) {
	f := map[string]int{}
	for _, m := range featureOf.FindAllStringSubmatch(text, -1) {
		if m[2] == "-" || m[1] == "FLOPS" { // which follow from the others, and are wrong of some
			continue
		}
		v, err := strconv.Atoi(m[2])
		if err != nil || v < 0 || v > mostSide {
			return nil, fmt.Errorf("the feature %s is %q", m[1], m[2])
		}
		f[m[1]] = v
	}
	if len(f) == 0 {
		return nil, fmt.Errorf("the features %q have not the form {'Kernel': '3', …}", text)
	}
	return f, nil
}

var ordinal = regexp.MustCompile(`_\d+$`)

// links are what a kernel's name says of it, "convolution_2d_8_linked_:_add_9_linked_:_relu_10":
// its own name and what is linked to it, by the names of gpudelegate.
func links(kernel string) (own, linked string) {
	own, rest, _ := strings.Cut(kernel, "_linked_:_")
	var chain []string
	for l := range strings.SplitSeq(rest, "_linked_:_") {
		l = ordinal.ReplaceAllString(l, "")
		if name, ok := map[string]string{"hard_swish": "hswish", "minimum": "min", "maximum": "max"}[l]; ok {
			l = name
		}
		if l != "" {
			chain = append(chain, strings.ReplaceAll(l, "_", ""))
		}
	}
	return own, strings.Join(chain, ".")
}

// mobileKey is the key of a kernel. sides holds those of the maps that the network has
// computed so far: a convolution of any other side got it from a padding, which the delegate
// takes into the kernel, and is a "same" one of the map before that padding.
func mobileKey(operation, kernel string, f map[string]int, sides map[int]bool, p lut.Precision) (lut.Op, error) {
	own, linked := links(kernel)
	attrs, axes := map[string]string{}, map[string]int{}
	if linked != "" {
		attrs["act"] = linked
	}
	need := []string{"Input_channel"}
	window := func() {
		attrs["k"], attrs["s"] = strconv.Itoa(f["Kernel"]), strconv.Itoa(f["Stride"])
		side, padding := mapBefore(f["Input_shape"], f["Output_shape"], f["Kernel"], f["Stride"], sides)
		if !padding {
			attrs["p"] = "0"
		}
		axes["h"], axes["w"] = side, side
		need = append(need, "Input_shape", "Output_shape", "Kernel", "Stride")
	}
	square := func() {
		axes["h"], axes["w"] = f["Input_shape"], f["Input_shape"]
		need = append(need, "Input_shape")
	}
	kind := ""
	switch operation {
	case "CONV_2D", "CONV_2D_GROUP":
		kind = "conv"
		window()
		axes["cin"], axes["cout"] = f["Input_channel"], f["Filter"]
		if g := f["Group"]; g > 1 {
			attrs["g"] = strconv.Itoa(g)
		}
		need = append(need, "Filter", "Group")
	case "DEPTHWISE_CONV_2D":
		kind = "dwconv"
		window()
		axes["c"] = f["Input_channel"]
	case "MAX_POOL_2D", "AVERAGE_POOL_2D":
		kind = map[string]string{"MAX_POOL_2D": "maxpool", "AVERAGE_POOL_2D": "avgpool"}[operation]
		axes["c"] = f["Input_channel"]
		if strings.HasPrefix(own, "mean") { // of the whole map
			kind = "gap"
			square()
			break
		}
		window()
	case "MEAN":
		kind = "gap"
		axes["c"] = f["Input_channel"]
		square()
	case "CONCATENATION":
		kind = "concat"
		attrs["n"] = strconv.Itoa(f["Kernel"])
		axes["c"] = f["Filter"]
		square()
		need = append(need, "Kernel", "Filter")
	case "FULLY_CONNECTED":
		kind = "linear"
		axes["m"], axes["cin"], axes["cout"] = 1, f["Input_channel"], f["Filter"]
		need = append(need, "Filter")
	default:
		return lut.Op{}, fmt.Errorf("the operation %q is none that this import knows", operation)
	}
	for _, name := range need {
		if f[name] < 1 {
			return lut.Op{}, fmt.Errorf("%s has no feature %s", operation, name)
		}
	}
	op := gpudelegate.Alone(lut.NewOp(kind, p, attrs, axes))
	if _, err := lut.ParseOp(op.String()); err != nil {
		return lut.Op{}, fmt.Errorf("%s by %q: %w", operation, kernel, err)
	}
	return op, nil
}

// mapBefore is the side of the map that a window slides over and whether it is padded as
// "same" has it. in is what the file says, which may be the map with its padding.
func mapBefore(in, out, k, s int, sides map[int]bool) (side int, same bool) {
	if s < 1 || k < 1 || out < 1 {
		return in, true // refused by what it needs
	}
	if (in+s-1)/s == out {
		return in, true
	}
	if !sides[in] {
		best := 0
		for m := range sides {
			if m < in && in-m < k+s && (m+s-1)/s == out {
				best = max(best, m)
			}
		}
		if len(sides) == 0 && in-out*s < k+s { // the network's input
			best = out * s
		}
		if best > 0 {
			return best, true
		}
	}
	return in, false
}

// spread is the standard deviation of the logarithm of a kernel's time between the places of one
// key, over all keys that have several; 0 where none has.
func (t *mobileTables) spread(phone string) float64 {
	logs := map[string][]float64{}
	for _, r := range t.rows {
		if r.us[phone] > 0 {
			key := r.key[phone].String()
			logs[key] = append(logs[key], math.Log(r.us[phone]))
		}
	}
	ss, df := 0.0, 0
	for _, key := range slices.Sorted(maps.Keys(logs)) {
		mean := 0.0
		for _, v := range logs[key] {
			mean += v / float64(len(logs[key]))
		}
		for _, v := range logs[key] {
			ss += (v - mean) * (v - mean)
		}
		df += len(logs[key]) - 1
	}
	return math.Sqrt(ss / float64(cmp.Or(df, 1)))
}

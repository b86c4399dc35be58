package space

import (
	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/internal/hint"
)

// liteForms reads the .tflite forms of a space's modules.
type liteForms struct {
	m     *Modules
	files map[string][]byte // by SHA-256
	read  []liteForm        // different ones
}

type liteForm struct {
	form  moduleForm
	place string
}

// add reads a form and holds it against its ONNX file, which has been read.
func (l *liteForms) add(r *reader, f moduleForm, place string) {
	if x := l.m.forms[f.ONNX]; f.TFLite == "" || x == nil || l.m.lite[f.content()] != nil {
		return
	}
	l.parse(r, liteForm{f, place}, tflitemodule.Unsaid)
	l.read = append(l.read, liteForm{f, place})
}

func (l *liteForms) parse(r *reader, f liteForm, order tflitemodule.Order) {
	x := l.m.forms[f.form.ONNX]
	module, err := tflitemodule.Read(l.files[f.form.TFLite], x.In, x.Out, order)
	if err != nil {
		r.fail(&yaml.Node{Line: f.form.line}, hint.Of(err), "%s (%s): %v", f.place, f.form.lite, err)
		return
	}
	l.m.lite[f.form.content()] = module
}

// orient settles the order of axes where a form's shapes are the same in either: it is that
// of the other forms, which one exporter has made.
func (l *liteForms) orient(r *reader) {
	first := false
	for _, f := range l.read {
		if x := l.m.lite[f.form.content()]; x != nil {
			first = first || x.Order == tflitemodule.ChannelsFirst
		}
	}
	for _, f := range l.read {
		if x := l.m.lite[f.form.content()]; x == nil || x.Order != tflitemodule.Unsaid || !first {
			continue
		}
		l.parse(r, f, tflitemodule.ChannelsFirst)
	}
}

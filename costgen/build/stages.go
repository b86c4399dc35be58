package build

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// StagesFormat is the first field of a run's stages.
const StagesFormat = "isocost/build-stages/v1"

// writtenAnew is the hint for a file that nothing but the build's last campaign went into.
const writtenAnew = "the same costgen build writes it anew"

// stages are a build's learning curve on file.
type stages struct {
	Format string  `json:"format"`
	Stages []stage `json:"stages"`
}

// stage is the build after a campaign; see Progress.
type stage struct {
	DeviceS float64  `json:"device_s"`
	Kernels int      `json:"kernels"`
	Chains  int      `json:"chains"`
	Error   *float64 `json:"error,omitempty"` // absent while nothing has a price
	Priced  float64  `json:"priced"`
}

// keep writes the stages so far.
func (f *folder) keep(all []Progress) error {
	out := stages{Format: StagesFormat}
	for _, p := range all {
		s := stage{DeviceS: p.Spent, Kernels: p.Kernels, Chains: p.Chains, Priced: p.Priced}
		if !math.IsNaN(p.Error) {
			s.Error = &p.Error
		}
		out.Stages = append(out.Stages, s)
	}
	text, err := strictjson.Text(out, "\t")
	if err != nil {
		return err
	}
	return atomicfile.Write(f.path("stages.json"), text, 0o644)
}

// Stages reads the learning curve of the build whose run's folder it is: its progress after
// each campaign.
func Stages(dir string) ([]Progress, error) {
	path := filepath.Join(dir, "stages.json")
	text, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = hint.Wrap(err, "name the folder that costgen build keeps its plans and records in, NAME.run beside NAME.lut.json")
		}
		return nil, err
	}
	var in stages
	if err := strictjson.Decode(text, &in); err != nil {
		err = strictjson.In(path, err)
		if hint.Of(err) == "" {
			err = hint.Wrap(err, writtenAnew)
		}
		return nil, err
	}
	if in.Format != StagesFormat {
		return nil, hint.Wrap(fmt.Errorf("%s:2: format %q, want %q", path, in.Format, StagesFormat), "it is of another version, or not a build's stages")
	}
	var out []Progress
	for i, s := range in.Stages {
		p := Progress{Campaign: i + 1, Campaigns: len(in.Stages), Spent: s.DeviceS, Kernels: s.Kernels, Chains: s.Chains, Error: math.NaN(), Priced: s.Priced}
		if s.Error != nil {
			p.Error = *s.Error
		}
		if !(s.DeviceS >= 0) || s.Kernels < 0 || s.Chains < 0 || !(s.Priced >= 0 && s.Priced <= 1) || p.Error < 0 {
			return nil, hint.Wrap(fmt.Errorf("%s: stage %d is out of its domain", path, i+1), writtenAnew)
		}
		out = append(out, p)
	}
	return out, nil
}

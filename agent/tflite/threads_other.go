//go:build !linux

package tflite

import "errors"

type threadTag struct{}

func tagThread() (*threadTag, error) {
	return nil, errors.New("threads can be counted on Linux and Android only")
}
func (*threadTag) created() (int, error) { return 0, errors.ErrUnsupported }
func (*threadTag) restore() error        { return nil }

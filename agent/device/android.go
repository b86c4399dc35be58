package device

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// androidTools are the programs that answer what Android's files hide from an
// unprivileged user; nothing else is ever executed.
var androidTools = map[string]string{
	"getprop": "/system/bin/getprop",
	"cmd":     "/system/bin/cmd",
	"dumpsys": "/system/bin/dumpsys",
}

// androidRunner returns Device.Run for the machine this program runs on: nil
// unless it is Android.
func androidRunner() func(context.Context, string, ...string) ([]byte, error) {
	if runtime.GOOS != "android" {
		return nil
	}
	return func(ctx context.Context, program string, args ...string) ([]byte, error) {
		path, ok := androidTools[program]
		if !ok {
			path = filepath.Join("/system/bin", filepath.Base(program))
		}
		// A system service that hangs must not hang the campaign.
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return exec.CommandContext(ctx, path, args...).Output()
	}
}

// getpropTries says how often getprop is asked: property service may be busy for a
// moment after the device has started.
const getpropTries = 3

// getprop asks the device for its properties, once per Device.
func (d *Device) getprop() (map[string]string, error) {
	if d.properties != nil {
		return d.properties, nil
	}
	var err error
	for try := range getpropTries {
		time.Sleep(time.Duration(try) * 200 * time.Millisecond)
		var out []byte
		if out, err = d.Run(context.Background(), "getprop"); err != nil {
			continue
		}
		props := map[string]string{}
		if parseGetprop(out, props); props["ro.product.model"] != "" {
			d.properties = props
			return props, nil
		}
		err = errors.New("it names no ro.product.model")
	}
	return nil, fmt.Errorf("getprop: %w", err)
}

// props returns Android's properties, from getprop where it can be run, from the
// capture's getprop.txt, or from the build.prop files. Empty on other systems. An
// error means that getprop did not answer: what the files tell is less.
func (d *Device) props() (map[string]string, error) {
	props := map[string]string{}
	var silent error
	if d.Run != nil {
		var said map[string]string
		if said, silent = d.getprop(); silent == nil {
			maps.Copy(props, said)
		}
	}
	if text, err := d.fs.Read("getprop.txt"); err == nil && !d.Live() {
		parseGetprop(text, props)
	}
	// ro.product.system.model and the like stand for ro.product.model, which init
	// derives from them in this order (ro.product.property_source_order).
	for _, name := range []string{"product/etc/build.prop", "odm/etc/build.prop", "vendor/build.prop", "system/build.prop"} {
		text, err := d.fs.Read(name)
		if err != nil {
			continue
		}
		sc := bufio.NewScanner(bytes.NewReader(text))
		for sc.Scan() {
			k, v, ok := strings.Cut(sc.Text(), "=")
			for _, part := range []string{"product.system", "product.vendor", "product.odm", "product.product"} {
				k = strings.Replace(k, "ro."+part+".", "ro.product.", 1)
			}
			if ok && props[k] == "" {
				props[k] = v
			}
		}
	}
	return props, silent
}

// parseGetprop reads getprop's "[name]: [value]" lines.
func parseGetprop(text []byte, into map[string]string) {
	sc := bufio.NewScanner(bytes.NewReader(text))
	for sc.Scan() {
		k, v, ok := strings.Cut(sc.Text(), "]: [")
		if ok && strings.HasPrefix(k, "[") && strings.HasSuffix(v, "]") {
			into[k[1:]] = v[:len(v)-1]
		}
	}
}

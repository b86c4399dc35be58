//go:build tensorflow

package tensorflow

/*
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The part of tensorflow/c/c_api.h that the Go binding does not reach.
typedef struct {
  const void *data;
  size_t length;
  void (*data_deallocator)(void *data, size_t length);
} TF_Buffer;
typedef struct {
  void *oper;
  int index;
} TF_Output;
extern void *TF_NewStatus(void);
extern int TF_GetCode(const void *);
extern const char *TF_Message(const void *);
extern void TF_DeleteStatus(void *);
extern TF_Buffer *TF_NewBuffer(void);
extern TF_Buffer *TF_NewBufferFromString(const void *, size_t);
extern void TF_DeleteBuffer(TF_Buffer *);
extern void TF_SessionRun(void *, const TF_Buffer *, const TF_Output *, void *const *, int, const TF_Output *, void **, int,
                          const void *const *, int, TF_Buffer *, void *);

// Runs the session once and returns its RunMetadata, or NULL with a message, either to be freed.
static void *iso_metadata(void *session, void *options, size_t size, TF_Output *feeds, void **values, int n, void **targets,
                          int m, size_t *length, char **message) {
  void *status = TF_NewStatus(), *copy = NULL;
  TF_Buffer *run = TF_NewBufferFromString(options, size), *meta = TF_NewBuffer();
  TF_SessionRun(session, run, feeds, values, n, NULL, NULL, 0, (const void *const *)targets, m, meta, status);
  if (TF_GetCode(status) != 0) {
    *message = strdup(TF_Message(status));
  } else if ((copy = malloc(meta->length + 1))) {
    memcpy(copy, meta->data, *length = meta->length);
  }
  TF_DeleteBuffer(meta);
  TF_DeleteBuffer(run);
  TF_DeleteStatus(status);
  return copy;
}
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unsafe"
)

// operation is a node of the graph that really runs: optimised, partitioned and
// placed.
type operation struct {
	name, op, device string
	dtype            uint64 // attribute T, DataType of types.proto; 0 when there is none
}

// outputPartitionGraphs is RunOptions (config.proto) with that field, 5, set.
var outputPartitionGraphs = []byte{5 << 3, 1}

// optimised runs the session once and reads back the graphs its executors hold.
func (s *session) optimised() ([]operation, error) {
	var feeds []C.TF_Output
	var values []unsafe.Pointer
	for at, t := range s.feeds {
		oper, err := handle(at.Op)
		if err != nil {
			return nil, err
		}
		value, err := handle(t)
		if err != nil {
			return nil, err
		}
		feeds, values = append(feeds, C.TF_Output{oper: oper, index: C.int(at.Index)}), append(values, value)
	}
	var targets []unsafe.Pointer
	for _, op := range s.targets {
		p, err := handle(op)
		if err != nil {
			return nil, err
		}
		targets = append(targets, p)
	}
	self, err := handle(s.tf)
	if err != nil {
		return nil, err
	}
	var length C.size_t
	var message *C.char
	// All pointers are C's: nothing of Go's is kept or seen through them.
	data := C.iso_metadata(self, unsafe.Pointer(unsafe.SliceData(outputPartitionGraphs)), C.size_t(len(outputPartitionGraphs)),
		unsafe.SliceData(feeds), unsafe.SliceData(values), C.int(len(feeds)), unsafe.SliceData(targets), C.int(len(targets)), &length, &message)
	runtime.KeepAlive(s)
	if data == nil {
		defer C.free(unsafe.Pointer(message))
		return nil, fmt.Errorf("run for the optimised graph: %s", C.GoString(message))
	}
	defer C.free(data)
	return partitions(C.GoBytes(data, C.int(length)))
}

// handle is the C object behind one of the binding's, which keeps it in a field of
// its own.
func handle(v any) (unsafe.Pointer, error) {
	f := reflect.ValueOf(v).Elem().FieldByName("c")
	if !f.IsValid() || f.Kind() != reflect.Pointer {
		return nil, fmt.Errorf("the binding's %T has changed: it holds no C pointer c", v)
	}
	return f.UnsafePointer(), nil
}

// partitions reads RunMetadata (config.proto): partition_graphs 3; GraphDef: node 1;
// NodeDef: name 1, op 2, device 4, attr 5 (key 1, value 2); AttrValue: type 6.
func partitions(metadata []byte) ([]operation, error) {
	var list []operation
	err := fields(metadata, func(field int, graph []byte, _ uint64) error {
		if field != 3 {
			return nil
		}
		return fields(graph, func(field int, node []byte, _ uint64) error {
			if field != 1 {
				return nil
			}
			var o operation
			err := fields(node, func(field int, data []byte, _ uint64) error {
				switch field {
				case 1:
					o.name = string(data)
				case 2:
					o.op = string(data)
				case 4:
					o.device = string(data)
				case 5:
					return o.attribute(data)
				}
				return nil
			})
			list = append(list, o)
			return err
		})
	})
	if err == nil && len(list) == 0 {
		err = errors.New("the runtime shows no optimised graph")
	}
	return list, err
}

func (o *operation) attribute(entry []byte) error {
	var key string
	var value []byte
	if err := fields(entry, func(field int, data []byte, _ uint64) error {
		switch field {
		case 1:
			key = string(data)
		case 2:
			value = data
		}
		return nil
	}); err != nil || key != "T" {
		return err
	}
	return fields(value, func(field int, _ []byte, number uint64) error {
		if field == 6 {
			o.dtype = number
		}
		return nil
	})
}

// fields calls f for every field of a protocol buffer's message: with its bytes, or
// with its number.
func fields(message []byte, f func(field int, data []byte, number uint64) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errors.New("a torn message")
		}
		message = message[n:]
		var data []byte
		var number uint64
		size := 0
		switch tag & 7 {
		case 0:
			if number, size = binary.Uvarint(message); size <= 0 {
				return errors.New("a torn number")
			}
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return errors.New("a torn field")
			}
			size = n + int(length)
			data = message[n:size]
		case 5:
			size = 4
		default:
			return fmt.Errorf("wire type %d", tag&7)
		}
		if size > len(message) {
			return errors.New("a torn field")
		}
		if err := f(int(tag>>3), data, number); err != nil {
			return err
		}
		message = message[size:]
	}
	return nil
}

// idle are operations of the optimised graph that compute nothing.
func (o operation) idle() bool {
	switch strings.TrimPrefix(o.op, "_") {
	case "Const", "HostConst", "Identity", "NoOp", "Send", "Recv", "HostSend", "HostRecv", "Arg", "Retval", "Placeholder", "SOURCE", "SINK":
		return true
	}
	return false
}

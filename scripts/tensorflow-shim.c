// The three functions of TensorFlow 1.15's C API that later libraries lack and the Go binding v1.15.5 links against. They serve
// string tensors, whose elements were a varint length and the bytes.
#include <stdint.h>
#include <stddef.h>
#include <string.h>

typedef struct TF_Status TF_Status;
extern void TF_SetStatus(TF_Status *, int code, const char *message);
enum { OK = 0, INVALID_ARGUMENT = 3 };  // TF_Code

static size_t varint_size(uint64_t v) {
	size_t n = 1;
	for (; v >= 0x80; v >>= 7) n++;
	return n;
}

size_t TF_StringEncodedSize(size_t len) { return varint_size(len) + len; }

size_t TF_StringEncode(const char *src, size_t src_len, char *dst, size_t dst_len, TF_Status *status) {
	size_t need = TF_StringEncodedSize(src_len);
	if (dst_len < need) {
		TF_SetStatus(status, INVALID_ARGUMENT, "the destination is too small for the encoded string");
		return 0;
	}
	uint64_t v = src_len;
	for (; v >= 0x80; v >>= 7) *dst++ = (char)(v | 0x80);
	*dst++ = (char)v;
	memcpy(dst, src, src_len);
	TF_SetStatus(status, OK, "");
	return need;
}

size_t TF_StringDecode(const char *src, size_t src_len, const char **dst, size_t *dst_len, TF_Status *status) {
	uint64_t v = 0;
	size_t i = 0;
	for (int shift = 0;; shift += 7) {
		if (i >= src_len || shift > 63) {
			TF_SetStatus(status, INVALID_ARGUMENT, "the encoded string has no length");
			return 0;
		}
		unsigned char b = (unsigned char)src[i++];
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) break;
	}
	if (v > src_len - i) {
		TF_SetStatus(status, INVALID_ARGUMENT, "the encoded string is cut off");
		return 0;
	}
	*dst = src + i;
	*dst_len = (size_t)v;
	TF_SetStatus(status, OK, "");
	return i + (size_t)v;
}

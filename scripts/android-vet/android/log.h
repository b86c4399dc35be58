// What Go's runtime/cgo uses of Android's <android/log.h>, declared by hand, so that the compiler of
// another Linux can vet the Android build (scripts/vet-android.sh). Nothing is linked with it.
// https://developer.android.com/ndk/reference/group/logging
#pragma once
#include <stdarg.h>

enum { ANDROID_LOG_FATAL = 7 };
int __android_log_print(int priority, const char *tag, const char *format, ...);
int __android_log_vprint(int priority, const char *tag, const char *format, va_list arguments);

/* What the NDK's compiler-rt brings and no shared library does: thread-local variables, which the
   compiler emulates below API 29. For scripts/link-android.sh; never run. */
void *__emutls_get_address(void *control);
void *__emutls_get_address(void *control) { return control; }

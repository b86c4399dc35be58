/* Included before every C file of the agent for linux/arm64 (scripts/build-agent.sh): binds the
   functions that glibc 2.32 and 2.34 moved from libpthread and libdl into libc to the version they
   have had since glibc came to this architecture. The agent then runs on glibc 2.31 (JetPack 5,
   Ubuntu 20.04) although it is linked against a newer one; newer ones keep the old versions. */
#if defined(__aarch64__) && defined(__linux__) && !defined(__ANDROID__) && !defined(__ASSEMBLER__)
#define ISOCOST_OLD(f) __asm__(".symver " #f "," #f "@GLIBC_2.17");
ISOCOST_OLD(dlclose)
ISOCOST_OLD(dlerror)
ISOCOST_OLD(dlinfo)
ISOCOST_OLD(dlopen)
ISOCOST_OLD(dlsym)
ISOCOST_OLD(pthread_attr_getstack)
ISOCOST_OLD(pthread_attr_getstacksize)
ISOCOST_OLD(pthread_create)
ISOCOST_OLD(pthread_getattr_np)
ISOCOST_OLD(pthread_key_create)
ISOCOST_OLD(pthread_setspecific)
ISOCOST_OLD(pthread_sigmask)
#undef ISOCOST_OLD
#endif

/* Stands in for the NDK's crtbegin_dynamic.o where scripts/link-android.sh links the agent only to see
   that it links: the entry point hands the stack to bionic's __libc_init, and the note names the API
   level (bionic, libc/arch-common/bionic/crtbegin.c and crtbrand.S). Nothing linked with it is run. */
struct structors {
	void (**preinit)(void), (**init)(void), (**fini)(void);
};
int main(int, char **, char **);
_Noreturn void __libc_init(void *stack, void (*onexit)(void), int (*program)(int, char **, char **), const struct structors *);

void _start(void) {
	struct structors none = {0, 0, 0};
	__libc_init(__builtin_frame_address(0), 0, main, &none);
}

__asm__(".section .note.android.ident,\"a\",%note\n"
	".balign 4\n"
	".long 8, 4, 1\n" /* length of the name, of the rest, type */
	".asciz \"Android\"\n"
	".long 24\n");

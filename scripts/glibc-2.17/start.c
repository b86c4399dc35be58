/* The entry point of the agent for linux/arm64, instead of the C library's Scrt1.o, whose
   __libc_start_main has the version 2.34. glibc before 2.34 runs a program's constructors through
   the init function it is handed, later ones accept it: both get the one below. The registers at
   entry are those of the AArch64 ELF ABI (sysvabi64, "Process initialization"). */
typedef void (*constructor)(int, char **, char **);
extern constructor __init_array_start[] __attribute__((visibility("hidden")));
extern constructor __init_array_end[] __attribute__((visibility("hidden")));

__asm__(".symver __libc_start_main,__libc_start_main@GLIBC_2.17");

__attribute__((used, visibility("hidden"))) void isocost_init(int argc, char **argv, char **env) {
	for (constructor *c = __init_array_start; c < __init_array_end; c++)
		(*c)(argc, argv, env);
}

__asm__(".text\n"
	".globl _start\n"
	".type _start,%function\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x5, x0\n"           /* rtld_fini */
	"	ldr x1, [sp]\n"         /* argc */
	"	add x2, sp, #8\n"       /* argv */
	"	mov x6, sp\n"           /* stack_end */
	"	adrp x0, main\n"
	"	add x0, x0, :lo12:main\n"
	"	adrp x3, isocost_init\n"
	"	add x3, x3, :lo12:isocost_init\n"
	"	mov x4, #0\n"           /* no fini */
	"	bl __libc_start_main\n"
	"	brk #0\n");

#include "textflag.h"

// func axpyWide(f float64, x, y []float64)
TEXT ·axpyWide(SB), NOSPLIT, $0-56
	VBROADCASTSD f+0(FP), Y0
	MOVQ x_base+8(FP), SI
	MOVQ x_len+16(FP), CX
	MOVQ y_base+32(FP), DI

next:
	VMULPD 0(SI), Y0, Y1
	VMULPD 32(SI), Y0, Y2
	VADDPD 0(DI), Y1, Y1
	VADDPD 32(DI), Y2, Y2
	VMOVUPD Y1, 0(DI)
	VMOVUPD Y2, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $8, CX
	JNZ next
	VZEROUPPER
	RET

// func squareWide(f float64, x, y []float64)
TEXT ·squareWide(SB), NOSPLIT, $0-56
	VBROADCASTSD f+0(FP), Y0
	MOVQ x_base+8(FP), SI
	MOVQ x_len+16(FP), CX
	MOVQ y_base+32(FP), DI

next:
	VSUBPD 0(SI), Y0, Y1
	VSUBPD 32(SI), Y0, Y2
	VMULPD Y1, Y1, Y1
	VMULPD Y2, Y2, Y2
	VADDPD 0(DI), Y1, Y1
	VADDPD 32(DI), Y2, Y2
	VMOVUPD Y1, 0(DI)
	VMOVUPD Y2, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $8, CX
	JNZ next
	VZEROUPPER
	RET

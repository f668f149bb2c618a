/* SPDX-License-Identifier: MIT */
/*
 * crt0.S - the first instructions and the trap entry.
 *
 * The boot ROM has loaded the image and zeroed the rest of memory. The stack lies at the lowest
 * addresses of RAM: running over it ends in an access fault, not in the firmware's data. Traps
 * have a stack of their own, so that this fault can be reported.
 */
	.section .text.start, "ax"
	.globl	_start
_start:
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
	la	sp, __stack_top
	la	t0, __trap_stack_top
	csrw	mscratch, t0
	la	t0, trap_entry
	csrw	mtvec, t0
	call	main
	/* main() does not return; if it does, stop where the host sees it. */
	csrw	mtvec, zero
	ebreak

/* Interrupts do not nest: sp and mscratch change places on the way in and out. */
	.section .text.trap, "ax"
	.balign	4
trap_entry:
	csrrw	sp, mscratch, sp
	addi	sp, sp, -64
	sw	ra, 0(sp)
	sw	t0, 4(sp)
	sw	t1, 8(sp)
	sw	t2, 12(sp)
	sw	a0, 16(sp)
	sw	a1, 20(sp)
	sw	a2, 24(sp)
	sw	a3, 28(sp)
	sw	a4, 32(sp)
	sw	a5, 36(sp)
	sw	a6, 40(sp)
	sw	a7, 44(sp)
	sw	t3, 48(sp)
	sw	t4, 52(sp)
	sw	t5, 56(sp)
	sw	t6, 60(sp)
	csrr	a0, mcause
	bltz	a0, 1f
	call	trap_fatal
1:	call	trap_interrupt
	lw	ra, 0(sp)
	lw	t0, 4(sp)
	lw	t1, 8(sp)
	lw	t2, 12(sp)
	lw	a0, 16(sp)
	lw	a1, 20(sp)
	lw	a2, 24(sp)
	lw	a3, 28(sp)
	lw	a4, 32(sp)
	lw	a5, 36(sp)
	lw	a6, 40(sp)
	lw	a7, 44(sp)
	lw	t3, 48(sp)
	lw	t4, 52(sp)
	lw	t5, 56(sp)
	lw	t6, 60(sp)
	addi	sp, sp, 64
	csrrw	sp, mscratch, sp
	mret

	.section .bss.stacks, "aw", @nobits
	.balign	16
	.space	2048
__trap_stack_top:

/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_isa.h - what a core executes: instructions, access patterns, DMA descriptors.
 *
 * The contract between whoever emits code (compiler/) and whoever runs it (the card).
 * Meaning, limits and cycle costs of every instruction stand in Documentation/isa.rst.
 */
#ifndef AXON_ISA_H
#define AXON_ISA_H

#include "axon_types.h"

#define AXON_ISA_VERSION_MAJOR		1
#define AXON_ISA_VERSION_MINOR		2

/* Sizes of a core, generation a1. Source: Trainium2's published architecture. */
#define AXON_PARTITIONS			128u
#define AXON_SBUF_PART_BYTES		(192u * 1024)	/* usable bytes of a partition in SBUF */
#define AXON_PSUM_PART_BYTES		(16u * 1024)	/* bytes of a partition in PSUM */
#define AXON_PSUM_BANKS			8u
#define AXON_PSUM_BANK_BYTES		2048u		/* a bank's bytes in one partition */
#define AXON_NUM_REGS			64u		/* 64-bit registers of a sequencer */
#define AXON_NUM_SEMAPHORES		256u		/* 32-bit semaphores of a core */
#define AXON_NUM_DMA_QUEUES		16u		/* DMA queues of a core */
#define AXON_MAX_PROGRAM_INSTS		(1u << 20)	/* instructions of one engine's stream */

/* Tile limits of the tensor engine: stationary K x M, moving K x N. */
#define AXON_MM_MAX_K			128u
#define AXON_MM_MAX_M			128u
#define AXON_MM_MAX_N			512u
/* Elements along the free axes of one instruction's operand. */
#define AXON_MAX_FREE_ELEMS		65536u

/**
 * enum axon_engine - the instruction streams of a core: five engines and the collectives sequencer
 *
 * Not NKI's numbering: this is the index into &struct axon_program.engine. CC is what Neuron calls
 * a CC-core: it takes control instructions and DMA only. Its code is made when a program is loaded
 * for a rank, so it never stands in an executable.
 */
enum axon_engine {
	AXON_ENGINE_TENSOR = 0,
	AXON_ENGINE_VECTOR = 1,
	AXON_ENGINE_SCALAR = 2,
	AXON_ENGINE_GPSIMD = 3,
	AXON_ENGINE_SYNC = 4,
	AXON_NUM_ENGINES = 5,	/* those that executables have code for */
	AXON_ENGINE_CC = 5,
	AXON_NUM_STREAMS = 6,
};

/**
 * enum axon_dtype - element types; the numbers are those of nrt_dtype_t
 *
 * 64-bit and FP8 types may name a tensor, but no engine of generation a1 takes them
 * (DMA copies them unconverted).
 */
enum axon_dtype {
	AXON_DTYPE_INVALID = 0x0,
	AXON_DTYPE_UINT64 = 0x1,
	AXON_DTYPE_INT8 = 0x2,
	AXON_DTYPE_UINT8 = 0x3,
	AXON_DTYPE_INT16 = 0x4,
	AXON_DTYPE_UINT16 = 0x5,
	AXON_DTYPE_BFLOAT16 = 0x6,
	AXON_DTYPE_FLOAT16 = 0x7,
	AXON_DTYPE_INT32 = 0x8,
	AXON_DTYPE_UINT32 = 0x9,
	AXON_DTYPE_FLOAT32 = 0xa,
	AXON_DTYPE_FP32R = 0xb,
	AXON_DTYPE_INT64 = 0xc,
	AXON_DTYPE_FP8_E3 = 0xd,
	AXON_DTYPE_FP8_E4 = 0xe,
	AXON_DTYPE_FP8_E5 = 0xf,
};

/**
 * axon_dtype_size() - bytes of one element
 * @dtype: an &enum axon_dtype
 *
 * Return: 1, 2, 4 or 8; 0 for a value that is no type.
 */
static inline __u32 axon_dtype_size(__u32 dtype)
{
	switch (dtype) {
	case AXON_DTYPE_INT8:
	case AXON_DTYPE_UINT8:
	case AXON_DTYPE_FP8_E3:
	case AXON_DTYPE_FP8_E4:
	case AXON_DTYPE_FP8_E5:
		return 1;
	case AXON_DTYPE_INT16:
	case AXON_DTYPE_UINT16:
	case AXON_DTYPE_BFLOAT16:
	case AXON_DTYPE_FLOAT16:
		return 2;
	case AXON_DTYPE_INT32:
	case AXON_DTYPE_UINT32:
	case AXON_DTYPE_FLOAT32:
	case AXON_DTYPE_FP32R:
		return 4;
	case AXON_DTYPE_UINT64:
	case AXON_DTYPE_INT64:
		return 8;
	default:
		return 0;
	}
}

/* Memory spaces an operand or a DMA end can lie in. */
enum axon_space {
	AXON_SPACE_SBUF = 0,
	AXON_SPACE_PSUM = 1,
	AXON_SPACE_MEM = 2,	/* the context's virtual memory; DMA and registers only */
};

/*
 * On-chip addresses as DMA sees them: partition in the high bits, byte in the low 18.
 * A DMA step over partitions is a multiple of AXON_PART_STRIDE.
 */
#define AXON_PART_SHIFT			18
#define AXON_PART_STRIDE		(1u << AXON_PART_SHIFT)
#define AXON_CHIP_ADDR(part, off)	(((__u64)(part) << AXON_PART_SHIFT) | (off))

#define AXON_SREG_NONE			0xffu
/* Set by the card when a launch starts; every other register is 0 then. */
#define AXON_SREG_ARGS			1u	/* virtual address of the argument block */
#define AXON_SREG_CORE			2u	/* index of the core on the card */
#define AXON_SREG_RANK			3u	/* rank in the gang; 0 without */
#define AXON_SREG_RANKS			4u	/* members of the gang; 0 without */
#define AXON_SREG_KEPT			5u	/* 1: see &struct axon_program.keep */

/**
 * struct axon_ap - access pattern: an operand in SBUF or PSUM
 * @offset: byte in the partition of the first element; a multiple of the element size
 * @space: AXON_SPACE_SBUF or AXON_SPACE_PSUM
 * @dtype: element type in memory (engines calculate in fp32)
 * @part: first partition. A range of more than 64 partitions starts at 0, of 33..64 at 0
 *	or 64, of 1..32 at 0, 32, 64 or 96 (NKI's rule); the card refuses other starts
 * @nparts: number of partitions, 1..128
 * @step: distance of neighbours along each free axis, in elements; axis 0 is the outermost
 * @count: elements along each free axis, 1..65535 (after register patches); unused axes are 1
 */
struct axon_ap {
	__u32 offset;
	__u8 space;
	__u8 dtype;
	__u8 part;
	__u8 nparts;
	__s16 step[4];
	__u16 count[4];
};
AXON_ASSERT_SIZE(struct axon_ap, 24);

/* Instructions. Which engine takes which: Documentation/isa.rst, "Who executes what". */
enum axon_opcode {
	/* every engine */
	AXON_OP_NOP = 0x01,		/* waits and posts only */
	AXON_OP_HALT = 0x02,		/* end of this engine's stream */
	AXON_OP_REG_ALU = 0x03,		/* rd = ra op (rb or imm) */
	AXON_OP_REG_LOAD = 0x04,	/* rd = [ra + imm] */
	AXON_OP_REG_STORE = 0x05,	/* [ra + imm] = rd */
	AXON_OP_BRANCH = 0x06,		/* if (ra cond (rb or imm)) pc = target */
	AXON_OP_DMA = 0x08,		/* one descriptor, in the instruction */
	AXON_OP_DMA_RING = 0x09,	/* descriptors in memory */
	AXON_OP_POST = 0x0a,		/* post to a semaphore of any member of the gang */
	/* tensor engine */
	AXON_OP_MATMUL = 0x10,		/* ap: dst, stationary, moving */
	AXON_OP_TRANSPOSE = 0x11,	/* ap: dst, src */
	/* vector, scalar, gpsimd */
	AXON_OP_COPY = 0x20,		/* ap: dst, src; converts */
	AXON_OP_MEMSET = 0x21,		/* ap: dst; imm[0] */
	AXON_OP_TENSOR_TENSOR = 0x22,	/* ap: dst, a, b; op0 */
	AXON_OP_TENSOR_SCALAR = 0x23,	/* ap: dst, a, s0, s1; op0, op1, imm[] */
	AXON_OP_TENSOR_REDUCE = 0x24,	/* ap: dst, src; op0, op1 = axes */
	AXON_OP_ACTIVATION = 0x25,	/* ap: dst, src, bias, scale or sum; op0 = function */
	AXON_OP_SELECT = 0x26,		/* ap: dst, src, predicate */
	AXON_OP_MAX8 = 0x27,		/* ap: dst (8 values), src */
	AXON_OP_FIND_INDEX8 = 0x28,	/* ap: dst (8 indices), values, src */
	AXON_OP_AFFINE_SELECT = 0x29,	/* ap: dst, src, pattern */
	AXON_OP_IOTA = 0x2a,		/* ap: dst, pattern */
	/* gpsimd */
	AXON_OP_PARTITION_REDUCE = 0x30,	/* ap: dst (1 partition), src; op0 */
	AXON_OP_PARTITION_BROADCAST = 0x31,	/* ap: dst, src (1 partition) */
};

/* Semaphore conditions and effects in an instruction's header. */
enum axon_wait_op {
	AXON_WAIT_NONE = 0,
	AXON_WAIT_GE = 1,	/* semaphore - (wait_val + R[wait_reg]) >= 0, signed 32-bit */
	AXON_WAIT_EQ = 2,
};

enum axon_post_op {
	AXON_POST_NONE = 0,
	AXON_POST_ADD = 1,
	AXON_POST_SUB = 2,
	AXON_POST_SET = 3,
};

/* &struct axon_inst.flags, by opcode; every other bit is reserved and must be 0. */
#define AXON_F_ACCUMULATE	(1u << 0)	/* MATMUL: add to what PSUM holds */
#define AXON_F_S0_TENSOR	(1u << 0)	/* TENSOR_SCALAR: s0 is ap[2], one a partition */
#define AXON_F_S1_TENSOR	(1u << 1)	/* TENSOR_SCALAR: s1 is ap[3] */
#define AXON_F_REVERSE0		(1u << 2)	/* TENSOR_SCALAR: s0 op0 a */
#define AXON_F_REVERSE1		(1u << 3)	/* TENSOR_SCALAR: s1 op1 (...) */
#define AXON_F_BIAS_TENSOR	(1u << 0)	/* ACTIVATION: bias is ap[2], else imm[1] */
#define AXON_F_SCALE_TENSOR	(1u << 1)	/* ACTIVATION: scale is ap[3], else imm[0] */
#define AXON_F_SUM		(1u << 2)	/* ACTIVATION: sum over the free axes into ap[3] */

/**
 * enum axon_alu - operators of TENSOR_TENSOR, TENSOR_SCALAR, TENSOR_REDUCE, PARTITION_REDUCE
 *
 * Arithmetic and comparisons are in fp32 (comparisons give 1.0 or 0.0); the bitwise group
 * works on 32-bit integers and wants integer operands. Shifts are logical; by 32 or more
 * they give 0. TENSOR_SCALAR's op1 may be AXON_ALU_NONE; no other field may.
 */
enum axon_alu {
	AXON_ALU_NONE = 0,
	AXON_ALU_ADD = 1,
	AXON_ALU_SUBTRACT = 2,
	AXON_ALU_MULTIPLY = 3,
	AXON_ALU_DIVIDE = 4,
	AXON_ALU_MAX = 5,
	AXON_ALU_MIN = 6,
	AXON_ALU_EQ = 7,
	AXON_ALU_NE = 8,
	AXON_ALU_GE = 9,
	AXON_ALU_GT = 10,
	AXON_ALU_LE = 11,
	AXON_ALU_LT = 12,
	AXON_ALU_AND = 16,	/* bitwise group: 16..31 */
	AXON_ALU_OR = 17,
	AXON_ALU_XOR = 18,
	AXON_ALU_SHL = 19,
	AXON_ALU_SHR = 20,
	AXON_ALU_IADD = 21,	/* integer add and subtract, modulo 2^32 */
	AXON_ALU_ISUB = 22,
};

/* Functions of ACTIVATION: dst = f(src * scale + bias), fp32; formulas in Documentation/isa.rst. */
enum axon_act {
	AXON_ACT_COPY = 0,
	AXON_ACT_SQUARE = 1,
	AXON_ACT_RELU = 2,
	AXON_ACT_EXP = 3,
	AXON_ACT_SIGMOID = 4,
	AXON_ACT_SILU = 5,
	AXON_ACT_TANH = 6,
	AXON_ACT_GELU_TANH = 7,
	AXON_ACT_LOG = 8,
	AXON_ACT_SQRT = 9,
	AXON_ACT_RSQRT = 10,
	AXON_ACT_RECIPROCAL = 11,
	AXON_ACT_ABS = 12,
	AXON_ACT_SIGN = 13,
	AXON_NUM_ACTS = 14,
};

/* REG_ALU's op0; 64-bit, modulo 2^64; shifts take the low 6 bits; division is unsigned. */
enum axon_reg_op {
	AXON_RALU_MOV = 0,	/* rd = b */
	AXON_RALU_ADD = 1,
	AXON_RALU_SUB = 2,
	AXON_RALU_MUL = 3,
	AXON_RALU_AND = 4,
	AXON_RALU_OR = 5,
	AXON_RALU_XOR = 6,
	AXON_RALU_SHL = 7,
	AXON_RALU_SHR = 8,
	AXON_RALU_DIV = 9,	/* by 0: AXON_STATUS_BAD_OPERAND */
	AXON_RALU_MIN = 10,	/* unsigned */
	AXON_RALU_MAX = 11,	/* unsigned */
};

/* BRANCH's op0; signed 64-bit comparisons. */
enum axon_cond {
	AXON_COND_ALWAYS = 0,
	AXON_COND_EQ = 1,
	AXON_COND_NE = 2,
	AXON_COND_LT = 3,
	AXON_COND_GE = 4,
};

/*
 * Register patches: before execution R[reg] is added to a field of the instruction (modulo the
 * field's size; the result is then checked like any other value).
 * For AP instructions the field is AXON_PATCH_AP(operand, what); what = AXON_PATCH_OFFSET (bytes),
 * AXON_PATCH_COUNT0..3, AXON_PATCH_PART. AXON_PATCH_IMM0 and _IMM1 patch imm[] as integers.
 * For AXON_OP_DMA it is one of AXON_PATCH_DMA_*.
 */
#define AXON_NUM_PATCHES	4u
#define AXON_PATCH_AP(operand, what)	((__u8)((operand) << 4 | (what)))
#define AXON_PATCH_OFFSET	0x0u
#define AXON_PATCH_COUNT0	0x1u
#define AXON_PATCH_COUNT1	0x2u
#define AXON_PATCH_COUNT2	0x3u
#define AXON_PATCH_COUNT3	0x4u
#define AXON_PATCH_PART		0x5u
#define AXON_PATCH_IMM0		0x40u
#define AXON_PATCH_IMM1		0x41u
#define AXON_PATCH_DMA_SRC	0x50u
#define AXON_PATCH_DMA_DST	0x51u
#define AXON_PATCH_DMA_COUNT0	0x52u
#define AXON_PATCH_DMA_COUNT1	0x53u
#define AXON_PATCH_DMA_COUNT2	0x54u
#define AXON_PATCH_DMA_COUNT3	0x55u
#define AXON_PATCH_DMA_INDEX	0x56u	/* index_addr */

/**
 * struct axon_patch - one register patch
 * @reg: register, or AXON_SREG_NONE for an unused slot
 * @field: which field of the instruction
 */
struct axon_patch {
	__u8 reg;
	__u8 field;
};
AXON_ASSERT_SIZE(struct axon_patch, 2);

enum axon_dma_op {
	AXON_DMA_COPY = 0,
	AXON_DMA_ADD = 1,	/* dst = dst + src, in fp32 (integers: in their own type) */
	AXON_DMA_MAX = 2,
	AXON_DMA_MIN = 3,
};

#define AXON_DMA_F_GATHER	(1u << 0)	/* row i comes from src + index[i] * src_step[0] */
#define AXON_DMA_F_SCATTER	(1u << 1)	/* row i goes to dst + index[i] * dst_step[0] */
#define AXON_DMA_F_OOB_SKIP	(1u << 2)	/* an index >= index_bound skips its row */

/**
 * struct axon_dma_desc - one DMA transfer of up to four axes
 * @src: first source byte: a virtual address (AXON_SPACE_MEM) or AXON_CHIP_ADDR()
 * @dst: first target byte
 * @src_space: an &enum axon_space
 * @dst_space: an &enum axon_space
 * @src_dtype: element type read
 * @dst_dtype: element type written; converted when it differs
 * @op: an &enum axon_dma_op
 * @flags: AXON_DMA_F_*; at most one of GATHER and SCATTER
 * @reserved0: must be 0
 * @count: elements along each axis, axis 0 outermost, 1..2^31-1; unused axes are 1
 * @src_step: bytes between neighbours in the source. On chip a step is either a multiple of
 *	AXON_PART_STRIDE (it walks partitions) or smaller than it (it walks inside one)
 * @dst_step: bytes between neighbours in the target
 * @index_addr: virtual address of count[0] u32 indices (GATHER, SCATTER; else 0)
 * @index_bound: indices must be below this (GATHER, SCATTER; else 0)
 * @reserved1: must be 0
 * @post_rank: member of the gang whose semaphore is posted to when the data have arrived
 * @post_sem: its semaphore
 * @post_op: an &enum axon_post_op; NONE: no post, the other three are 0
 * @post_val: operand of @post_op, at most 65535
 *
 * The post of the descriptor is for another core; the one in the instruction's header is for this.
 */
struct axon_dma_desc {
	__u64 src;
	__u64 dst;
	__u8 src_space;
	__u8 dst_space;
	__u8 src_dtype;
	__u8 dst_dtype;
	__u8 op;
	__u8 flags;
	__u16 reserved0;
	__u32 count[4];
	__s32 src_step[4];
	__s32 dst_step[4];
	__u64 index_addr;
	__u32 index_bound;
	__u32 reserved1;
	__u16 post_rank;
	__u8 post_sem;
	__u8 post_op;
	__u32 post_val;
};
AXON_ASSERT_SIZE(struct axon_dma_desc, 96);
AXON_ASSERT_OFFSET(struct axon_dma_desc, post_rank, 88);
AXON_ASSERT_OFFSET(struct axon_dma_desc, count, 24);
AXON_ASSERT_OFFSET(struct axon_dma_desc, src_step, 40);
AXON_ASSERT_OFFSET(struct axon_dma_desc, dst_step, 56);
AXON_ASSERT_OFFSET(struct axon_dma_desc, index_addr, 72);

/* Most descriptors of one DMA_RING instruction. */
#define AXON_DMA_RING_MAX	65536u

/**
 * struct axon_ctl - operands of control instructions
 * @imm: immediate, address or address offset; POST: rank, added to R[ra]
 * @rd: target register (REG_ALU, REG_LOAD) or the one stored (REG_STORE); POST: semaphore
 * @ra: first source or base register; AXON_SREG_NONE reads as 0 (REG_LOAD, REG_STORE, DMA_RING,
 *	POST)
 * @rb: second source; AXON_SREG_NONE takes imm instead (REG_ALU, BRANCH)
 * @dtype: width and sign of REG_LOAD and REG_STORE: an integer type of 1, 2, 4 or 8 bytes; POST: an
 *	&enum axon_post_op but NONE
 * @target: BRANCH: index of the next instruction in this engine's stream;
 *	DMA_RING: number of descriptors at ra + imm; POST: operand, at most 65535
 * @reserved: must be 0
 */
struct axon_ctl {
	__u64 imm;
	__u8 rd;
	__u8 ra;
	__u8 rb;
	__u8 dtype;
	__u32 target;
	__u64 reserved[10];
};
AXON_ASSERT_SIZE(struct axon_ctl, 96);

/**
 * struct axon_inst - one instruction, 128 bytes
 * @opcode: an &enum axon_opcode
 * @flags: AXON_F_*, by opcode
 * @op0: operator, function or DMA queue (DMA, DMA_RING), by opcode
 * @op1: second operator or number of reduced axes, by opcode
 * @wait_sem: semaphore waited for before the instruction starts
 * @wait_op: an &enum axon_wait_op
 * @wait_reg: register added to @wait_val, or AXON_SREG_NONE
 * @post_sem: semaphore changed when the instruction (for DMA: the transfer) has ended
 * @wait_val: what @wait_sem is compared with
 * @post_val: operand of @post_op
 * @post_op: an &enum axon_post_op
 * @reserved: must be 0
 * @patch: register patches; unused slots have reg = AXON_SREG_NONE
 * @imm: immediates: fp32 bits where the operation is in fp32, else integers
 * @ap: operands of engine instructions; unused ones are all 0
 * @dma: operand of AXON_OP_DMA
 * @ctl: operands of control instructions
 */
struct axon_inst {
	__u8 opcode;
	__u8 flags;
	__u8 op0;
	__u8 op1;
	__u8 wait_sem;
	__u8 wait_op;
	__u8 wait_reg;
	__u8 post_sem;
	__u32 wait_val;
	__u16 post_val;
	__u8 post_op;
	__u8 reserved;
	struct axon_patch patch[AXON_NUM_PATCHES];
	__u32 imm[2];
	union {
		struct axon_ap ap[4];
		struct axon_dma_desc dma;
		struct axon_ctl ctl;
	};
};
AXON_ASSERT_SIZE(struct axon_inst, 128);
AXON_ASSERT_OFFSET(struct axon_inst, wait_val, 8);
AXON_ASSERT_OFFSET(struct axon_inst, patch, 16);
AXON_ASSERT_OFFSET(struct axon_inst, imm, 24);
AXON_ASSERT_OFFSET(struct axon_inst, ap, 32);

#define AXON_PROGRAM_MAGIC	0x4e525841u	/* "AXRN" */

/**
 * struct axon_stream - one engine's code
 * @addr: virtual address of the first instruction, 128-byte aligned, in executable pages; 0 if
 *	this engine has nothing to do
 * @count: number of instructions, at most AXON_MAX_PROGRAM_INSTS
 * @reserved: must be 0
 */
struct axon_stream {
	__u64 addr;
	__u32 count;
	__u32 reserved;
};
AXON_ASSERT_SIZE(struct axon_stream, 16);

/**
 * struct axon_program - what AXON_CMD_LAUNCH points at
 * @magic: AXON_PROGRAM_MAGIC
 * @version: AXON_ISA_VERSION_MAJOR << 16 | AXON_ISA_VERSION_MINOR; a card refuses another major
 *	and a newer minor
 * @engine: the code of each engine, by &enum axon_engine
 * @gang: virtual address of the gang's 64 bytes in HBM, of this card or a peer, 64-byte aligned; 0:
 *	the launch is alone. Their place is the gang's name: who cannot map them cannot join. Their
 *	content is not looked at
 * @rank: which member this is, below @ranks
 * @ranks: members of the gang, 1..AXON_MAX_RANKS; 0 without
 * @reserved0: must be 0
 * @keep: what the loader calls this program and its constants, never again for others in this
 *	address space; 0: nothing. If the launch before on this core was of the same address space
 *	and @keep and did not fail, SBUF and PSUM are as it left them and AXON_SREG_KEPT is 1. Since
 *	1.2
 */
struct axon_program {
	__u32 magic;
	__u32 version;
	struct axon_stream engine[AXON_NUM_STREAMS];
	__u64 gang;
	__u16 rank;
	__u16 ranks;
	__u32 reserved0;
	__u64 keep;
};
AXON_ASSERT_SIZE(struct axon_program, 128);
AXON_ASSERT_OFFSET(struct axon_program, gang, 104);
AXON_ASSERT_OFFSET(struct axon_program, keep, 120);

/* The first minor versions of the instruction set whose programs may have @gang and @keep. */
#define AXON_ISA_GANG_MINOR	1
#define AXON_ISA_KEEP_MINOR	2

#define AXON_GANG_SIZE		64u
#define AXON_MAX_RANKS		128u	/* members of a gang */

/**
 * struct axon_profile_record - one executed instruction or DMA transfer
 * @start: cycle of the reference clock (AXON_REF_CLOCK_HZ) in which it started
 * @end: cycle in which its effects were visible
 * @pc: index in the engine's stream
 * @engine: an &enum axon_engine, or 0x80 | queue for a DMA transfer
 * @opcode: an &enum axon_opcode
 * @reserved: 0
 */
struct axon_profile_record {
	__u64 start;
	__u64 end;
	__u32 pc;
	__u8 engine;
	__u8 opcode;
	__u16 reserved[5];
};
AXON_ASSERT_SIZE(struct axon_profile_record, 32);

/* The clock in which costs are counted, for every engine: 1.4 GHz, the NeuronCore reference. */
#define AXON_REF_CLOCK_HZ	1400000000ull

#endif /* AXON_ISA_H */

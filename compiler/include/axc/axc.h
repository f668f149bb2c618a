/* SPDX-License-Identifier: MIT */
/*
 * axc.h - libaxc: makes executables for the card.
 *
 * Three layers, each usable alone:
 *   1. the kernel builder: tensors, tiles, registers, loops and one call per instruction. It places
 *      tiles and inserts every semaphore (see "How engines are kept in order" below);
 *   2. operators on the builder: matmul, matvec, norms, attention, argmax, ...;
 *   3. whole programs: axc_llama_decode(), axc_llama_train().
 * The result is an ELF file as described in Documentation/executable.rst. The library opens no
 * device and no file.
 *
 * Errors. A builder call cannot fail halfway: the first mistake is remembered with a text that
 * names the operation, and every later call does nothing. axc_program_finish() (or
 * axc_program_error()) reports it. Calls that return a pointer return NULL after an error, and
 * every call takes such a NULL. So a kernel is written without a check on each line.
 *
 * Threads. A program is used by one thread at a time; different programs are independent.
 *
 * How engines are kept in order. A kernel reads as if its instructions ran one after the other. The
 * card runs five engines and up to 16 DMA queues at once; the builder makes sure that this cannot
 * be told:
 *  - each engine and each DMA queue (a producer) has a semaphore that counts its finished
 *    instructions (transfers);
 *  - the builder knows which tiles and tensors an instruction reads and writes. Where the last
 *    writer (or, for a write, a reader) is another producer P, the instruction waits until P's
 *    semaphore has reached that instruction's number. An instruction has room for one wait; more
 *    become NOPs before it. What an engine knows already (by an earlier wait, or because the one it
 *    waited for had waited itself) is not waited for again;
 *  - in a loop the numbers are relative to a register of the waiting engine, one per producer,
 *    which moves by the producer's count of one iteration at the end of each. A tile written in one
 *    iteration and read or overwritten in the next is handled like any other. A loop of one engine
 *    alone counts as one instruction;
 *  - dependencies are kept per tile, not per byte: two parts of a tile that different producers may
 *    use at the same time should be two tiles (tensors in memory: axc_tensor_split()).
 */
#ifndef AXC_AXC_H
#define AXC_AXC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axon_elf.h"
#include "axon_isa.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct axc_program;
struct axc_tensor;
struct axc_tile;
struct axc_reg;

/* ---- programs -------------------------------------------------------------------------------- */

/**
 * axc_program_new() - begin a program
 * @name: shown in logs, at most 63 bytes
 *
 * Return: the program, or NULL without memory or with a bad name.
 */
struct axc_program *axc_program_new(const char *name);

/** axc_program_free() - forget a program and everything made from it. NULL is fine. */
void axc_program_free(struct axc_program *p);

/**
 * axc_program_error() - the first mistake
 * @text: set to its description, "" if there is none; valid until axc_program_free()
 *
 * Return: 0 or -errno.
 */
int axc_program_error(const struct axc_program *p, const char **text);

/** axc_program_flops() - set the floating point operations of one launch, for tools */
void axc_program_flops(struct axc_program *p, uint64_t flops);

/**
 * axc_program_finish() - make the executable
 * @data: set to the file's bytes; free() them
 * @size: set to their number
 *
 * The same calls always give the same bytes. Afterwards the program can only be freed.
 *
 * Return: 0; -errno of the first mistake; -ENOSPC (too many registers or instructions), -ENOMEM,
 * -EIO (libelf), with axc_program_error() telling more.
 */
int axc_program_finish(struct axc_program *p, void **data, size_t *size);

/** axc_program_insts() - instructions of an engine after axc_program_finish() */
uint32_t axc_program_insts(const struct axc_program *p, enum axon_engine engine);

/* ---- tensors in memory ----------------------------------------------------------------------- */

enum axc_usage {
	AXC_INPUT,	/* given by the caller of the program, read only */
	AXC_OUTPUT,	/* given by the caller, written */
	AXC_INOUT,	/* given by the caller, updated in place: both, under one name */
	AXC_SCRATCH,	/* the program's own, zero before the first launch */
};

/**
 * axc_tensor_new() - declare a tensor
 * @name: unique among the program's inputs and outputs; may be NULL for AXC_SCRATCH
 * @dtype: an &enum axon_dtype
 * @ndim: 0..8
 * @shape: elements along each axis, at least 1
 */
struct axc_tensor *axc_tensor_new(struct axc_program *p, enum axc_usage usage, const char *name,
				  enum axon_dtype dtype, unsigned int ndim, const uint64_t *shape);

/**
 * axc_const_new() - declare constant bytes
 * @dtype: element type, for checks
 * @data: copied; NULL: zeros, to be filled through axc_const_data()
 */
struct axc_tensor *axc_const_new(struct axc_program *p, enum axon_dtype dtype, const void *data,
				 uint64_t size);

/** axc_const_data() - the bytes of a constant, writable until axc_program_finish() */
void *axc_const_data(struct axc_tensor *t);

/** axc_tensor_size() - bytes */
uint64_t axc_tensor_size(const struct axc_tensor *t);

/**
 * axc_tensor_split() - let @parts regions of a tensor be ordered independently
 *
 * Which region a transfer touches is said in &struct axc_mem. Call it before any use.
 */
void axc_tensor_split(struct axc_tensor *t, unsigned int parts);

/* ---- registers ------------------------------------------------------------------------------- */

/*
 * A struct axc_reg is a value, not a register of one engine: each engine that uses it loads or
 * calculates it for itself. Values made inside a loop end with it.
 */

/** axc_reg_imm() - a constant */
struct axc_reg *axc_reg_imm(struct axc_program *p, uint64_t value);

/**
 * axc_reg_load() - an integer from a tensor
 * @offset: byte in the tensor, a multiple of the element size
 * @dtype: an integer type; smaller ones are extended by their sign
 */
struct axc_reg *axc_reg_load(struct axc_program *p, struct axc_tensor *t, uint64_t offset,
			     enum axon_dtype dtype);

/** axc_reg_op() - a op b, by &enum axon_reg_op (not MOV) */
struct axc_reg *axc_reg_op(struct axc_program *p, enum axon_reg_op op, struct axc_reg *a,
			   struct axc_reg *b);

/** axc_reg_opi() - a op immediate */
struct axc_reg *axc_reg_opi(struct axc_program *p, enum axon_reg_op op, struct axc_reg *a,
			    uint64_t imm);

/* ---- loops ----------------------------------------------------------------------------------- */

/**
 * axc_loop_begin() - repeat what follows up to axc_loop_end()
 * @trips: how often, may be 0; below 2^31. With @trips_reg NULL this number, else that register
 *
 * Return: the number of the iteration, from 0, to calculate offsets with.
 */
struct axc_reg *axc_loop_begin(struct axc_program *p, uint64_t trips, struct axc_reg *trips_reg);
void axc_loop_end(struct axc_program *p);

/* ---- tiles ----------------------------------------------------------------------------------- */

/**
 * axc_tile_new() - memory in SBUF or PSUM
 * @space: AXON_SPACE_SBUF or AXON_SPACE_PSUM
 * @parts: partitions 0..@parts-1
 * @elems: elements of a partition
 *
 * A PSUM tile of up to 2 KiB a partition lies in one bank, a larger one starts at a bank.
 * -ENOSPC, with what is in use, if there is no room.
 */
struct axc_tile *axc_tile_new(struct axc_program *p, enum axon_space space, enum axon_dtype dtype,
			      unsigned int parts, unsigned int elems);

/**
 * axc_tile_free() - the memory may be used for other tiles
 *
 * Takes effect for what is emitted afterwards; what was emitted stays correct. A tile made inside a
 * loop is freed inside it.
 */
void axc_tile_free(struct axc_program *p, struct axc_tile *tile);

/** axc_space_left() - largest tile, in bytes a partition, that would fit now */
uint32_t axc_space_left(const struct axc_program *p, enum axon_space space);

/**
 * struct axc_view - an operand: part of a tile, as in &struct axon_ap
 *
 * Made by axc_view() and the helpers below, which take and return it by value.
 * Axis 3 is the innermost.
 */
struct axc_view {
	struct axc_tile *tile;
	uint32_t offset;
	uint8_t dtype;
	uint8_t part;
	uint8_t nparts;
	uint8_t reserved;
	int16_t step[4];
	uint16_t count[4];
	struct axc_reg *offset_reg;
	struct axc_reg *count_reg[4];
};

/** axc_view() - a whole tile: its partitions, its elements along axis 3 */
struct axc_view axc_view(struct axc_tile *tile);
/** axc_cols() - elements @first .. @first + @n - 1 of axis 3 */
struct axc_view axc_cols(struct axc_view v, unsigned int first, unsigned int n);
/** axc_rows() - partitions @first .. @first + @n - 1 of the view */
struct axc_view axc_rows(struct axc_view v, unsigned int first, unsigned int n);
/** axc_axis() - set one axis: @count elements, @step elements apart (0 repeats one) */
struct axc_view axc_axis(struct axc_view v, unsigned int axis, unsigned int count, int step);
/** axc_as() - the same bytes as another type; the counts are not touched */
struct axc_view axc_as(struct axc_view v, enum axon_dtype dtype);
/** axc_offset_reg() - add a register to the offset, in bytes */
struct axc_view axc_offset_reg(struct axc_view v, struct axc_reg *reg);
/** axc_count_reg() - take an axis' count from a register; the view's own is its upper bound */
struct axc_view axc_count_reg(struct axc_view v, unsigned int axis, struct axc_reg *reg);

/* ---- instructions, one call each; meaning in Documentation/isa.rst --------------------------- */

/**
 * axc_matmul() - dst[m][n] (+)= sum over k of stat[k][m] * mov[k][n]
 * @accumulate: add to what @dst holds
 */
void axc_matmul(struct axc_program *p, struct axc_view dst, struct axc_view stat,
		struct axc_view mov, bool accumulate);
void axc_transpose(struct axc_program *p, struct axc_view dst, struct axc_view src);
void axc_copy(struct axc_program *p, enum axon_engine e, struct axc_view dst, struct axc_view src);
void axc_memset(struct axc_program *p, enum axon_engine e, struct axc_view dst, uint32_t bits);
void axc_tensor_tensor(struct axc_program *p, enum axon_engine e, enum axon_alu op,
		       struct axc_view dst, struct axc_view a, struct axc_view b);

/**
 * struct axc_scalar - a scalar operand: a number, or one element of each partition
 * @view: used if its tile is not NULL
 * @value: fp32 else
 * @bits: if @is_bits, these 32 bits instead of @value (bitwise operators)
 * @reverse: TENSOR_SCALAR: scalar op tensor
 */
struct axc_scalar {
	struct axc_view view;
	float value;
	uint32_t bits;
	bool is_bits;
	bool reverse;
};

/** axc_s() - a number as scalar operand */
struct axc_scalar axc_s(float value);
/** axc_sv() - a view of one element a partition as scalar operand */
struct axc_scalar axc_sv(struct axc_view v);

/** axc_tensor_scalar() - dst = (a op0 s0) op1 s1; @op1 may be AXON_ALU_NONE */
void axc_tensor_scalar(struct axc_program *p, enum axon_engine e, struct axc_view dst,
		       struct axc_view a, enum axon_alu op0, struct axc_scalar s0,
		       enum axon_alu op1, struct axc_scalar s1);
/** axc_reduce() - reduce the innermost @axes axes */
void axc_reduce(struct axc_program *p, enum axon_engine e, enum axon_alu op, unsigned int axes,
		struct axc_view dst, struct axc_view src);
/** axc_activation() - dst = f(src * scale + bias); @sum (tile NULL: none) gets the sum of dst */
void axc_activation(struct axc_program *p, enum axon_act f, struct axc_view dst,
		    struct axc_view src, struct axc_scalar scale, struct axc_scalar bias,
		    struct axc_view sum);
void axc_select(struct axc_program *p, enum axon_engine e, struct axc_view dst,
		struct axc_view src, struct axc_view pred);
void axc_max8(struct axc_program *p, struct axc_view dst, struct axc_view src);
void axc_find_index8(struct axc_program *p, struct axc_view dst, struct axc_view values,
		     struct axc_view src);
void axc_affine_select(struct axc_program *p, struct axc_view dst, struct axc_view src,
		       enum axon_alu cmp, int32_t base, int32_t part_step, const int16_t step[4],
		       float fill);
void axc_iota(struct axc_program *p, struct axc_view dst, int32_t base, int32_t part_step,
	      const int16_t step[4]);
void axc_partition_reduce(struct axc_program *p, enum axon_alu op, struct axc_view dst,
			  struct axc_view src);
void axc_partition_broadcast(struct axc_program *p, struct axc_view dst, struct axc_view src);

/* ---- DMA ------------------------------------------------------------------------------------- */

#define AXC_REGION_ALL	0xffffffffu

/**
 * struct axc_mem - one end of a transfer
 * @tile: on chip, or NULL
 * @tensor: in memory, or NULL
 * @offset: byte in the tensor, or in a partition of the tile
 * @part: first partition of the tile
 * @dtype: element type; 0: that of the tile or tensor
 * @step: bytes between neighbours of each axis; on chip AXON_PART_STRIDE walks partitions
 * @reg: registers added to the address in bytes, or NULL
 * @region: which part of a split tensor is touched, or AXC_REGION_ALL
 */
struct axc_mem {
	struct axc_tile *tile;
	struct axc_tensor *tensor;
	uint64_t offset;
	uint32_t part;
	uint32_t dtype;
	int32_t step[4];
	struct axc_reg *reg[2];
	uint32_t region;
};

/**
 * struct axc_dma - a transfer
 * @engine: who issues it (and waits for its operands)
 * @queue: 0..15
 * @op: an &enum axon_dma_op
 * @flags: AXON_DMA_F_*
 * @count: elements along each axis, axis 0 outermost; 0 means 1
 * @count_reg: or NULL; then @count is the upper bound
 * @index: GATHER, SCATTER: tensor of u32 indices
 * @index_bound: indices must be below
 * @keep: see axc_load_kept()
 */
struct axc_dma {
	enum axon_engine engine;
	unsigned int queue;
	enum axon_dma_op op;
	unsigned int flags;
	struct axc_mem dst, src;
	uint32_t count[4];
	struct axc_reg *count_reg[4];
	struct axc_tensor *index;
	uint64_t index_offset;
	uint32_t index_bound;
	bool keep;
};

/** axc_dma() - any transfer */
void axc_dma(struct axc_program *p, const struct axc_dma *dma);

/**
 * axc_load() - memory to a tile: partition i gets @elems elements from offset + i * row_bytes
 * @first: element of the tile's partitions to start at
 */
void axc_load(struct axc_program *p, enum axon_engine e, unsigned int queue, struct axc_tile *tile,
	      unsigned int first, unsigned int elems, struct axc_tensor *t, uint64_t offset,
	      int32_t row_bytes);
/**
 * axc_load_kept() - the same for constants that stay on chip
 *
 * A launch that finds SBUF as this program left it (Documentation/isa.rst, "Launch") leaves the
 * transfer out. So @t is a constant, the call stands outside loops, nothing but axc_load_kept()
 * writes to the tile and it is never freed, its place belonged to no other tile, and before it
 * there is no other transfer on its queue; all this is checked.
 */
void axc_load_kept(struct axc_program *p, enum axon_engine e, unsigned int queue,
		   struct axc_tile *tile, unsigned int first, unsigned int elems,
		   struct axc_tensor *t, uint64_t offset, int32_t row_bytes);
/** axc_store() - a tile to memory, the other way round */
void axc_store(struct axc_program *p, enum axon_engine e, unsigned int queue, struct axc_tensor *t,
	       uint64_t offset, int32_t row_bytes, struct axc_tile *tile, unsigned int first,
	       unsigned int elems);

/* ---- collectives ----------------------------------------------------------------------------- */

/**
 * struct axc_collective - data exchanged with the other ranks that run this program
 * @coll: operation
 * @reduction: of those that reduce, else 0 (AXON_ELF_SUM)
 * @engine: who waits for the data to be ready and hands over; best one that has little else to do
 * @dtype: element type; an integer or floating point type of at most 4 bytes where it is reduced
 * @root: of BROADCAST and REDUCE, else 0
 * @count: elements, as &enum axon_elf_coll says
 * @send: scratch tensor, not split or by @send_region
 * @recv: scratch tensor; may be @send: in place
 * @send_offset: byte in it
 * @recv_offset: byte in it
 * @send_region: as in &struct axc_mem
 * @recv_region: as in &struct axc_mem
 */
struct axc_collective {
	enum axon_elf_coll coll;
	enum axon_elf_reduction reduction;
	enum axon_engine engine;
	uint32_t dtype;
	uint32_t root;
	uint64_t count;
	struct axc_tensor *send;
	struct axc_tensor *recv;
	uint64_t send_offset;
	uint64_t recv_offset;
	uint32_t send_region;
	uint32_t recv_region;
};

/**
 * axc_collective() - exchange data with all ranks, beside what the engines do meanwhile
 *
 * What comes later in program order and uses the data waits for it, nothing else does. The
 * collectives of a program run in program order. All ranks run programs with the same ones; each
 * launch needs a launch of every rank. Not in loops. The program is loaded by
 * nrt_load_collectives().
 */
void axc_collective(struct axc_program *p, const struct axc_collective *c);

/* ---- operators: activations as columns ------------------------------------------------------- */

/* Operators are used outside loops. They take DMA queues 0..4 on sync and 5, 6 on gpsimd. */

/**
 * struct axc_column - an activation vector on chip
 * @tile: fp32 [@parts][@cols]
 * @len: elements
 * @parts: partitions; element d is in partition d % @parts, column d / @parts
 * @cols: columns; elements from @len on are 0
 *
 * With 128 partitions at most, and as few columns as that allows, evenly filled. In this form
 * a matrix times a vector needs no transpose: the weights are stationary, the result of one layer
 * is what the next one moves.
 */
struct axc_column {
	struct axc_tile *tile;
	uint32_t len;
	uint32_t parts;
	uint32_t cols;
};

/** axc_column_new() - room in SBUF for a vector */
struct axc_column axc_column_new(struct axc_program *p, uint32_t len);
void axc_column_free(struct axc_program *p, struct axc_column *c);
/** axc_column_load() - from a tensor of fp32 in natural order (len elements from @offset) */
void axc_column_load(struct axc_program *p, struct axc_column *c, struct axc_tensor *t,
		     uint64_t offset);
/** axc_column_store() - to a tensor of fp32 in natural order */
void axc_column_store(struct axc_program *p, struct axc_tensor *t, uint64_t offset,
		      const struct axc_column *c);

/** axc_op_matvec() - dst = W src; @w: fp32 [dst->len][src->len], row-major, read at once */
void axc_op_matvec(struct axc_program *p, struct axc_column *dst, const float *w,
		   const struct axc_column *src);
/** axc_op_rmsnorm() - dst[i] = w[i] * src[i] / sqrt(mean(src^2) + eps) */
void axc_op_rmsnorm(struct axc_program *p, struct axc_column *dst, const struct axc_column *src,
		    const float *w, float eps);
/** axc_op_add() - dst += src */
void axc_op_add(struct axc_program *p, struct axc_column *dst, const struct axc_column *src);
/** axc_op_swiglu() - dst = w2 (silu(w1 src) * (w3 src)); hidden is the rows of @w1 and @w3 */
void axc_op_swiglu(struct axc_program *p, struct axc_column *dst, const float *w1, const float *w2,
		   const float *w3, uint32_t hidden, const struct axc_column *src);
/**
 * axc_op_embedding() - dst = table[index[0]]
 * @table: fp32 [rows][dst->len], copied into the program
 * @index: tensor of one u32; an index outside the table ends the launch with a DMA error
 */
void axc_op_embedding(struct axc_program *p, struct axc_column *dst, const float *table,
		      uint32_t rows, struct axc_tensor *index);
/**
 * axc_op_logits() - logits = W src as a row, and the index of the largest, the first of equals
 * @w: fp32 [rows][src->len]
 * @logits: tensor of fp32 [rows]
 * @best: tensor of one u32, or NULL
 */
void axc_op_logits(struct axc_program *p, struct axc_tensor *logits, struct axc_tensor *best,
		   const float *w, uint32_t rows, const struct axc_column *src);

/**
 * struct axc_attention - grouped-query attention of one token with a cache in memory
 * @n_heads: query heads
 * @n_kv_heads: key/value heads, a divisor of @n_heads; at most 128 query heads to one of them
 * @head_size: even, at most 128
 * @seq_len: positions of the cache
 * @theta: base of the rotary embedding; 0 means 10000
 * @k_cache: fp32 [layers][n_kv_heads * head_size][seq_len]
 * @v_cache: fp32 [layers][seq_len][n_kv_heads * head_size]
 * @pos: tensor of one u32, below @seq_len (else the launch ends with a DMA error). What the caches
 *	hold from position @pos on is not used
 */
struct axc_attention {
	uint32_t n_heads;
	uint32_t n_kv_heads;
	uint32_t head_size;
	uint32_t seq_len;
	float theta;
	struct axc_tensor *k_cache;
	struct axc_tensor *v_cache;
	struct axc_tensor *pos;
};

/**
 * axc_op_attention() - dst = Wo attention(Wq src, Wk src, Wv src), rotary embedding included
 * @layer: whose caches
 *
 * wq: [n_heads * head_size][src->len], wk and wv: [n_kv_heads * head_size][src->len],
 * wo: [dst->len][n_heads * head_size]. Work is proportional to the position.
 */
void axc_op_attention(struct axc_program *p, struct axc_column *dst, const struct axc_attention *a,
		      uint32_t layer, const float *wq, const float *wk, const float *wv,
		      const float *wo, const struct axc_column *src);

/** axc_op_softmax() - rows of fp32 [rows][cols] in memory, along cols */
void axc_op_softmax(struct axc_program *p, struct axc_tensor *dst, struct axc_tensor *src,
		    uint32_t rows, uint32_t cols);

/**
 * axc_op_matmul() - c[m][n] = sum over k of at[k][m] * b[k][n], tensors in memory
 * @at: the left factor, transposed: [k][m], fp32, bf16 or fp16
 * @b: [k][n], same type
 * @c: [m][n], any type
 */
void axc_op_matmul(struct axc_program *p, struct axc_tensor *c, struct axc_tensor *at,
		   struct axc_tensor *b, uint32_t m, uint32_t k, uint32_t n);

/* ---- operators on batches of tokens, for training -------------------------------------------- */

/*
 * Activations, gradients and weights are row-major matrices of fp32 in tensors, one token a row.
 * Like the operators above these are used outside loops and take the same DMA queues. Inputs are
 * only read; an output may be an input only where an operator says so. What does not fit together
 * is -EINVAL, what does not fit on chip -ENOSPC, with a text that names operator and shapes. Sums
 * run in a fixed order, so that the same inputs always give the same bits. The formulas stand in
 * Documentation/compiler.rst.
 */

/**
 * struct axc_matrix - a matrix in a tensor of fp32
 * @tensor: where it lies; NULL where an operator takes "none"
 * @offset: byte of its first element
 * @rows: rows
 * @cols: elements of a row
 * @stride: elements from one row to the next, at least @cols
 * @region: of a split tensor (axc_tensor_split()) the region it lies in, else 0
 */
struct axc_matrix {
	struct axc_tensor *tensor;
	uint64_t offset;
	uint32_t rows;
	uint32_t cols;
	uint32_t stride;
	uint32_t region;
};

/** axc_matrix() - @rows x @cols elements without gaps, from element @first of a tensor */
struct axc_matrix axc_matrix(struct axc_tensor *t, uint64_t first, uint32_t rows, uint32_t cols);
/** axc_matrix_cols() - columns @first .. @first + @n - 1 of a matrix */
struct axc_matrix axc_matrix_cols(struct axc_matrix m, uint32_t first, uint32_t n);

/**
 * axc_batch_gather() - dst[t] = table[index[t]]
 * @dst: [T][dim]
 * @table: [rows][dim]
 * @index: tensor of u32 [T]; an index outside the table ends the launch with a DMA error
 */
void axc_batch_gather(struct axc_program *p, struct axc_matrix dst, struct axc_matrix table,
		      struct axc_tensor *index);
/**
 * axc_batch_scatter() - table[index[t]] += src[t], t ascending
 * @table: [rows][dim]
 * @index: tensor of u32 [T]; an index outside the table ends the launch with a DMA error
 * @src: [T][dim]
 */
void axc_batch_scatter(struct axc_program *p, struct axc_matrix table, struct axc_tensor *index,
		       struct axc_matrix src);

/** axc_batch_zero() - dst = 0 */
void axc_batch_zero(struct axc_program *p, struct axc_matrix dst);
/** axc_batch_add() - dst = a + b, all of one shape; @dst may be @a or @b */
void axc_batch_add(struct axc_program *p, struct axc_matrix dst, struct axc_matrix a,
		   struct axc_matrix b);

/* Most weights of one linear operator. */
#define AXC_LINEAR_MAX	4u

/**
 * struct axc_linear - weights that share an input: their outputs are the columns of one matrix
 * @n: how many, 1..AXC_LINEAR_MAX
 * @w: each [out of it][in], as in a checkpoint
 *
 * So queries, keys and values are one operator, whose result is [T][dim + 2 * kv_dim]. "out" below
 * is the sum of the weights' rows.
 */
struct axc_linear {
	unsigned int n;
	struct axc_matrix w[AXC_LINEAR_MAX];
};

/**
 * axc_batch_linear() - y = x W' + c
 * @y: [T][out]
 * @x: [T][in]
 * @w: weights
 * @c: [T][out], may be @y, or tensor NULL for none
 */
void axc_batch_linear(struct axc_program *p, struct axc_matrix y, struct axc_matrix x,
		      const struct axc_linear *w, struct axc_matrix c);
/**
 * axc_batch_linear_dx() - dx = dy W + c: the gradient of the input
 * @dx: [T][in]
 * @dy: [T][out]
 * @w: weights
 * @c: [T][in], may be @dx, or tensor NULL for none
 */
void axc_batch_linear_dx(struct axc_program *p, struct axc_matrix dx, struct axc_matrix dy,
			 const struct axc_linear *w, struct axc_matrix c);
/**
 * axc_batch_linear_dw() - dw = dy' x, or dw += dy' x: the gradients of the weights
 * @dw: of the weights' shapes
 * @dy: [T][out]
 * @x: [T][in]
 * @add: add to what is there: a weight that is used more than once
 */
void axc_batch_linear_dw(struct axc_program *p, const struct axc_linear *dw, struct axc_matrix dy,
			 struct axc_matrix x, bool add);

/**
 * axc_batch_rmsnorm() - y[t] = w * x[t] * r[t], r[t] = 1 / sqrt(mean(x[t]^2) + eps)
 * @y: [T][dim]
 * @r: [T][1], for axc_batch_rmsnorm_grad(); tensor NULL: not wanted
 * @x: [T][dim]
 * @w: [1][dim]
 */
void axc_batch_rmsnorm(struct axc_program *p, struct axc_matrix y, struct axc_matrix r,
		       struct axc_matrix x, struct axc_matrix w, float eps);
/**
 * axc_batch_rmsnorm_grad() - gradients of x and w
 * @dx: [T][dim]
 * @dw: [1][dim], written
 * @dy: [T][dim]
 * @x: [T][dim]
 * @w: [1][dim]
 * @r: [T][1]
 * @c: [T][dim] added to @dx (what came along the residual), may be @dx, or tensor NULL
 */
void axc_batch_rmsnorm_grad(struct axc_program *p, struct axc_matrix dx, struct axc_matrix dw,
			    struct axc_matrix dy, struct axc_matrix x, struct axc_matrix w,
			    struct axc_matrix r, struct axc_matrix c);

/**
 * axc_batch_rope() - rotary embedding of neighbouring pairs, as llama2.c has it
 * @y: [T][heads * head_size], may be @x
 * @x: [T][heads * head_size]
 * @seq: tokens of a sequence; row t is position t % seq
 * @head_size: even
 * @theta: base; 0 means 10000
 * @inverse: rotate back; that is the gradient
 */
void axc_batch_rope(struct axc_program *p, struct axc_matrix y, struct axc_matrix x, uint32_t seq,
		    uint32_t head_size, float theta, bool inverse);

/**
 * struct axc_batch_attention - causal grouped-query attention inside each sequence
 * @n_heads: query heads
 * @n_kv_heads: key/value heads, a divisor of @n_heads
 * @head_size: at most 128
 * @seq: tokens of a sequence, a divisor of T
 * @q: [T][n_heads * head_size], rotated
 * @k: [T][n_kv_heads * head_size], rotated
 * @v: [T][n_kv_heads * head_size]
 * @o: [T][n_heads * head_size]: the result
 * @lse: [T][n_heads]: log of the sum of exp of the scores, for the gradient
 */
struct axc_batch_attention {
	uint32_t n_heads;
	uint32_t n_kv_heads;
	uint32_t head_size;
	uint32_t seq;
	struct axc_matrix q;
	struct axc_matrix k;
	struct axc_matrix v;
	struct axc_matrix o;
	struct axc_matrix lse;
};

/** axc_batch_attention() - a->o and a->lse from a->q, a->k, a->v */
void axc_batch_attention(struct axc_program *p, const struct axc_batch_attention *a);
/**
 * axc_batch_attention_grad() - gradients of q, k and v; everything in @a is read
 * @dq: as a->q
 * @dk: as a->k
 * @dv: as a->v
 * @dout: as a->o
 */
void axc_batch_attention_grad(struct axc_program *p, const struct axc_batch_attention *a,
			      struct axc_matrix dq, struct axc_matrix dk, struct axc_matrix dv,
			      struct axc_matrix dout);

/** axc_batch_swiglu() - h = silu(a) * b, all [T][hidden] */
void axc_batch_swiglu(struct axc_program *p, struct axc_matrix h, struct axc_matrix a,
		      struct axc_matrix b);
/** axc_batch_swiglu_grad() - gradients of a and b; @da may be @a, @db may be @b */
void axc_batch_swiglu_grad(struct axc_program *p, struct axc_matrix da, struct axc_matrix db,
			   struct axc_matrix dh, struct axc_matrix a, struct axc_matrix b);

/**
 * axc_batch_cross_entropy() - softmax cross-entropy and its gradient
 * @loss: tensor of fp32 [1]: mean of @losses
 * @losses: tensor of fp32 [T]: log(sum(exp(logits[t]))) - logits[t][targets[t]], in nats
 * @dlogits: [T][vocab]: gradient of @loss; may be @logits; tensor NULL: not wanted
 * @logits: [T][vocab], at most 8192 columns
 * @targets: tensor of u32 [T]; one outside the vocabulary ends the launch with a DMA error
 */
void axc_batch_cross_entropy(struct axc_program *p, struct axc_tensor *loss,
			     struct axc_tensor *losses, struct axc_matrix dlogits,
			     struct axc_matrix logits, struct axc_tensor *targets);

/* Elements of the tensor of fp32 that steers AdamW: one program serves every step. */
enum axc_adamw {
	AXC_ADAMW_RATE,		/* learning rate */
	AXC_ADAMW_BETA1,
	AXC_ADAMW_BETA2,
	AXC_ADAMW_EPS,
	AXC_ADAMW_DECAY,	/* weight decay */
	AXC_ADAMW_FIX1,		/* 1 / (1 - beta1^step), step from 1 */
	AXC_ADAMW_FIX2,		/* 1 / (1 - beta2^step) */
	AXC_ADAMW_SCALE,	/* gradients are multiplied by it first: 1 / cards */
	AXC_ADAMW_CLIP,		/* largest norm of the scaled gradients; INFINITY: no limit */
	AXC_ADAMW_SIZE,
};

/**
 * axc_batch_norm() - square root of the sum of squares
 * @norm: tensor of fp32 [1]
 * @grads: tensor of fp32, all of it
 * @hyper: fp32 [AXC_ADAMW_SIZE]; the norm is that of the gradients times AXC_ADAMW_SCALE
 */
void axc_batch_norm(struct axc_program *p, struct axc_tensor *norm, struct axc_tensor *grads,
		    struct axc_tensor *hyper);
/**
 * axc_batch_adamw() - one step for @n parameters in place
 * @params: tensors of fp32, of which elements @first .. @first + @n - 1 are used
 * @m: first moments, zero before step 1
 * @v: second moments, zero before step 1
 * @grads: gradients
 * @hyper: fp32 [AXC_ADAMW_SIZE]
 * @norm: of axc_batch_norm(), to clip by
 * @decay: with weight decay
 */
void axc_batch_adamw(struct axc_program *p, struct axc_tensor *params, struct axc_tensor *m,
		     struct axc_tensor *v, struct axc_tensor *grads, struct axc_tensor *hyper,
		     struct axc_tensor *norm, uint64_t first, uint64_t n, bool decay);

/* ---- a Llama --------------------------------------------------------------------------------- */

/**
 * struct axc_llama_config - shape of a Llama-type decoder
 * @dim: of the residual stream
 * @hidden_dim: of the feed-forward network
 * @n_layers: layers
 * @n_heads: query heads; head size is dim / n_heads, even, at most 128
 * @n_kv_heads: key/value heads
 * @vocab: tokens
 * @seq_len: positions the caches hold
 * @norm_eps: 0 means 1e-5
 * @rope_theta: 0 means 10000
 */
struct axc_llama_config {
	uint32_t dim;
	uint32_t hidden_dim;
	uint32_t n_layers;
	uint32_t n_heads;
	uint32_t n_kv_heads;
	uint32_t vocab;
	uint32_t seq_len;
	float norm_eps;
	float rope_theta;
};

/**
 * struct axc_llama_weights - fp32, row-major, the layers of one array together
 * @token_embedding: [vocab][dim]
 * @rms_att: [n_layers][dim]
 * @wq: [n_layers][dim][dim]
 * @wk: [n_layers][kv_dim][dim]
 * @wv: [n_layers][kv_dim][dim]
 * @wo: [n_layers][dim][dim]
 * @rms_ffn: [n_layers][dim]
 * @w1: [n_layers][hidden_dim][dim]
 * @w2: [n_layers][dim][hidden_dim]
 * @w3: [n_layers][hidden_dim][dim]
 * @rms_final: [dim]
 * @wcls: [vocab][dim], or NULL: token_embedding
 */
struct axc_llama_weights {
	const float *token_embedding;
	const float *rms_att;
	const float *wq;
	const float *wk;
	const float *wv;
	const float *wo;
	const float *rms_ffn;
	const float *w1;
	const float *w2;
	const float *w3;
	const float *rms_final;
	const float *wcls;
};

/* The program's tensors. The caches are in place: the same name stands in inputs and outputs. */
#define AXC_LLAMA_TOKEN		"token"		/* input, u32[1] */
#define AXC_LLAMA_POS		"pos"		/* input, u32[1] */
#define AXC_LLAMA_K_CACHE	"k_cache"	/* in place, fp32[n_layers][kv_dim][seq_len] */
#define AXC_LLAMA_V_CACHE	"v_cache"	/* in place, fp32[n_layers][seq_len][kv_dim] */
#define AXC_LLAMA_LOGITS	"logits"	/* output, fp32[vocab] */
#define AXC_LLAMA_NEXT		"next"		/* output, u32[1]: index of the largest logit */

/**
 * axc_llama_decode() - a program for one decoding step
 * @config: shape
 * @weights: read during the call only
 * @program: set to the program; finish it with axc_program_finish(), free it afterwards. It is set
 *	(and must be freed) on errors too, so that axc_program_error() can tell; NULL without memory
 *
 * A launch takes token number "pos" of a sequence, updates the caches and gives the logits of the
 * next token and the most likely one. A token outside the vocabulary or a position outside the
 * caches ends the launch with a DMA error. A sequence starts with position 0; what the caches hold
 * from "pos" on is not used, so they need not be cleared.
 *
 * Return: 0, -EINVAL, -ENOSPC, -ENOMEM.
 */
int axc_llama_decode(const struct axc_llama_config *config, const struct axc_llama_weights *weights,
		     struct axc_program **program);

/* ---- training a Llama ------------------------------------------------------------------------ */

/**
 * struct axc_llama_train - what to train
 * @model: shape; seq_len is the tokens of a sequence
 * @batch: sequences of a launch
 * @own_classifier: the classifier has weights of its own; else it is token_embedding
 * @bucket_done: NULL, or called while the gradient program is made, at the moment when everything
 *	that writes the gradients of @bucket has been emitted: emit there what should go on beside
 *	the rest of the backward pass, such as an all-reduce. @grads is split into as many regions
 *	as there are buckets; region number is bucket number. It may emit anything but must leave
 *	no tile behind
 * @opaque: given to @bucket_done
 *
 * The parameters are one flat tensor of fp32: the arrays of &struct axc_llama_weights in its
 * order. That is the order of a llama2.c checkpoint, which has two unused tables of rotation
 * (seq_len * head_size floats together) between rms_final and wcls. Gradients and the moments of
 * AdamW have the same layout.
 *
 * The gradients become complete in buckets, from the end of the model to its start: bucket 0 is
 * rms_final and wcls, bucket 1 + i layer n_layers - 1 - i, the last bucket token_embedding.
 */
struct axc_llama_train {
	struct axc_llama_config model;
	uint32_t batch;
	bool own_classifier;
	void (*bucket_done)(void *opaque, struct axc_program *p, struct axc_tensor *grads,
			    uint32_t bucket);
	void *opaque;
};

/**
 * struct axc_llama_param - one parameter array of one layer
 * @name: as in &struct axc_llama_weights
 * @layer: of the arrays that each layer has, else 0
 * @first: its first element in the flat tensor
 * @rows: rows; a norm has one
 * @cols: columns
 * @bucket: see &struct axc_llama_train
 * @decay: takes part in weight decay: everything but norms
 */
struct axc_llama_param {
	const char *name;
	uint32_t layer;
	uint64_t first;
	uint32_t rows;
	uint32_t cols;
	uint32_t bucket;
	bool decay;
};

/** axc_llama_train_size() - elements of the flat tensor; 0 for a shape that cannot be trained */
uint64_t axc_llama_train_size(const struct axc_llama_train *t);
/** axc_llama_train_buckets() - how many; 0 for a shape that cannot be trained */
uint32_t axc_llama_train_buckets(const struct axc_llama_train *t);
/**
 * axc_llama_train_param() - the parameters in the order in which they lie
 * @i: from 0
 *
 * Return: 0, -ENOENT after the last, -EINVAL for a shape that cannot be trained.
 */
int axc_llama_train_param(const struct axc_llama_train *t, uint32_t i,
			  struct axc_llama_param *param);

/* The programs' tensors. */
#define AXC_TRAIN_TOKENS	"tokens"	/* input, u32[batch][seq_len] */
#define AXC_TRAIN_TARGETS	"targets"	/* input, u32[batch][seq_len]: what follows each */
#define AXC_TRAIN_PARAMS	"params"	/* input, in place in UPDATE; fp32[size] */
#define AXC_TRAIN_LOSS		"loss"		/* output, fp32[1]: mean of the losses, in nats */
#define AXC_TRAIN_LOSSES	"losses"	/* output, fp32[batch][seq_len] */
#define AXC_TRAIN_GRADS		"grads"		/* output of GRAD, input of UPDATE; fp32[size] */
#define AXC_TRAIN_M		"m"		/* in place, fp32[size] */
#define AXC_TRAIN_V		"v"		/* in place, fp32[size] */
#define AXC_TRAIN_HYPER		"hyper"		/* input, fp32[AXC_ADAMW_SIZE] */
#define AXC_TRAIN_NORM		"norm"		/* output, fp32[1]: of the scaled gradients */

/**
 * enum axc_train_program - the programs of a training
 * @AXC_TRAIN_GRAD: tokens, targets, params -> loss, losses, grads (gradient of loss)
 * @AXC_TRAIN_EVAL: tokens, targets, params -> loss, losses
 * @AXC_TRAIN_UPDATE: grads, hyper, params, m, v -> params, m, v, norm: a step of AdamW
 */
enum axc_train_program {
	AXC_TRAIN_GRAD,
	AXC_TRAIN_EVAL,
	AXC_TRAIN_UPDATE,
};

/**
 * axc_llama_train() - a program of a training
 * @t: what to train; read during the call only
 * @which: the program
 * @program: set to the program; finish it with axc_program_finish(), free it afterwards. It is set
 *	(and must be freed) on errors too, so that axc_program_error() can tell; NULL without memory
 *
 * The model is that of axc_llama_decode(). A token or target outside the vocabulary ends the launch
 * with a DMA error. A launch keeps nothing for the next one but what it gives back; activations are
 * the program's own memory: for GRAD about 4 * batch * seq_len * (n_layers * (6 * dim + 2 * kv_dim
 * + 3 * hidden_dim) + 6 * dim + 2 * kv_dim + hidden_dim + vocab) bytes.
 *
 * Return: 0, -EINVAL, -ENOSPC, -ENOMEM.
 */
int axc_llama_train(const struct axc_llama_train *t, enum axc_train_program which,
		    struct axc_program **program);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* AXC_AXC_H */

// SPDX-License-Identifier: MIT
/*
 * bench_core.c - how fast the host carries out instructions: matrix products in GFLOP/s, small
 * instructions in nanoseconds, transfers in GB/s. Prints; asserts nothing about time.
 *
 * Arguments: name of a set of kernels ("avx2"), else the fastest.
 */
#include <stdio.h>
#include <time.h>

#define FX_FLAT
#include "core_fixture.h"

/* Processor time: others on the machine should not count. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one @i on @engine: the best of some launches of @n of them. */
static double time_of(struct fx *f, unsigned int engine, struct axon_inst i, unsigned int n)
{
	struct axon_launch_result r;
	double best = 1e9;

	fx_clear(f);
	for (unsigned int k = 0; k < n; k++)
		fx_emit(f, engine, i);
	fx_emit(f, engine, fx_inst(AXON_OP_HALT));
	for (int k = 0; k < 15; k++) {
		double t = seconds();

		r = fx_run(f, 0);
		t = seconds() - t;
		if (r.fault.status)
			print_error("opcode %#x: status %u\n", i.opcode, r.fault.status);
		if (t < best)
			best = t;
	}
	return best / n;
}

static void small(struct fx *f, const char *name, unsigned int engine, struct axon_inst i)
{
	printf("%-52s %8.1f ns\n", name, 1e9 * time_of(f, engine, i, 1000));
}

static struct axon_inst matmul(unsigned int dtype, unsigned int k, unsigned int m, unsigned int n)
{
	struct axon_inst i = fx_inst(AXON_OP_MATMUL);

	i.flags = AXON_F_ACCUMULATE;
	i.ap[0] = fx_ap(AXON_SPACE_PSUM, AXON_DTYPE_FLOAT32, 0, m, 0, n);
	i.ap[1] = fx_ap(AXON_SPACE_SBUF, dtype, 0, k, 0, m);
	i.ap[2] = fx_ap(AXON_SPACE_SBUF, dtype, 0, k, 8192, n);
	return i;
}

static void tiles(struct fx *f)
{
	static const struct {
		const char *name;
		uint8_t dtype;
		uint16_t k, m, n;
	} c[] = {
		{ "fp32", AXON_DTYPE_FLOAT32, 128, 128, 512 },
		{ "bf16", AXON_DTYPE_BFLOAT16, 128, 128, 512 },
		{ "fp16", AXON_DTYPE_FLOAT16, 128, 128, 512 },
		{ "fp32", AXON_DTYPE_FLOAT32, 128, 128, 128 },
		{ "fp32", AXON_DTYPE_FLOAT32, 64, 64, 64 },
		{ "fp32", AXON_DTYPE_FLOAT32, 128, 128, 1 },
		{ "bf16", AXON_DTYPE_BFLOAT16, 128, 128, 1 },
		{ "fp32", AXON_DTYPE_FLOAT32, 64, 64, 1 },
		{ "fp32", AXON_DTYPE_FLOAT32, 8, 64, 1 },
		{ "fp32", AXON_DTYPE_FLOAT32, 128, 128, 4 },
		{ "fp32", AXON_DTYPE_FLOAT32, 128, 128, 8 },
		{ "fp32", AXON_DTYPE_FLOAT32, 128, 128, 16 },
		{ "fp32", AXON_DTYPE_FLOAT32, 64, 1, 512 },
	};

	for (unsigned int i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		double s = time_of(f, 0, matmul(c[i].dtype, c[i].k, c[i].m, c[i].n),
				   c[i].n > 16 ? 60 : 1000);

		printf("MATMUL %s %ux%ux%-4u %32.1f ns %8.1f GFLOP/s\n", c[i].name, c[i].k, c[i].m,
		       c[i].n, 1e9 * s, 2e-9 * c[i].k * c[i].m * c[i].n / s);
	}
}

static struct axon_inst two(unsigned int op, unsigned int nparts, unsigned int n,
			    unsigned int dtype)
{
	struct axon_inst i = fx_inst(op);

	i.ap[0] = fx_ap(AXON_SPACE_SBUF, dtype, 0, nparts, 0, n);
	i.ap[1] = fx_ap(AXON_SPACE_SBUF, dtype, 0, nparts, 16384, n);
	if (op == AXON_OP_TENSOR_TENSOR || op == AXON_OP_TENSOR_SCALAR) {
		i.op0 = AXON_ALU_MULTIPLY;
		if (op == AXON_OP_TENSOR_TENSOR)
			i.ap[2] = fx_ap(AXON_SPACE_SBUF, dtype, 0, nparts, 32768, n);
	}
	return i;
}

static struct axon_inst scalar(unsigned int nparts, unsigned int n)
{
	struct axon_inst i = two(AXON_OP_TENSOR_SCALAR, nparts, n, AXON_DTYPE_FLOAT32);

	i.flags = AXON_F_S0_TENSOR;
	i.ap[2] = fx_ap(AXON_SPACE_SBUF, AXON_DTYPE_FLOAT32, 0, nparts, 32768, 1);
	return i;
}

static struct axon_inst act(unsigned int fn, unsigned int nparts, unsigned int n)
{
	struct axon_inst i = two(AXON_OP_ACTIVATION, nparts, n, AXON_DTYPE_FLOAT32);

	i.op0 = (uint8_t)fn;
	i.imm[0] = 0x3f800000;
	return i;
}

static struct axon_inst reduce(unsigned int nparts, unsigned int n)
{
	struct axon_inst i = two(AXON_OP_TENSOR_REDUCE, nparts, n, AXON_DTYPE_FLOAT32);

	i.op0 = AXON_ALU_ADD;
	i.op1 = 4;
	i.ap[0].count[3] = 1;
	return i;
}

static struct axon_inst across(unsigned int op, unsigned int nparts, unsigned int n)
{
	struct axon_inst i = two(op, nparts, n, AXON_DTYPE_FLOAT32);

	i.op0 = op == AXON_OP_PARTITION_REDUCE ? AXON_ALU_ADD : 0;
	i.ap[op == AXON_OP_PARTITION_REDUCE ? 0 : 1].nparts = 1;
	return i;
}

static void smalls(struct fx *f)
{
	const unsigned int f32 = AXON_DTYPE_FLOAT32, bf = AXON_DTYPE_BFLOAT16;
	struct axon_inst sum = act(AXON_ACT_EXP, 8, 256);

	sum.flags = AXON_F_SUM;
	sum.ap[3] = fx_ap(AXON_SPACE_SBUF, f32, 0, 8, 40000, 1);
	small(f, "NOP", 4, fx_inst(AXON_OP_NOP));
	small(f, "REG_ALU", 4, fx_alu(AXON_RALU_ADD, 5, 5, 1));
	small(f, "REG_LOAD", 4, fx_mem(AXON_OP_REG_LOAD, 5, FX_DATA, AXON_DTYPE_UINT32));
	small(f, "TENSOR_TENSOR [64,1]", 1, two(AXON_OP_TENSOR_TENSOR, 64, 1, f32));
	small(f, "TENSOR_SCALAR [64,1] by tensor", 1, scalar(64, 1));
	small(f, "ACTIVATION silu [64,1]", 2, act(AXON_ACT_SILU, 64, 1));
	small(f, "ACTIVATION exp [8,64]", 2, act(AXON_ACT_EXP, 8, 64));
	small(f, "ACTIVATION exp and sum [8,256]", 2, sum);
	small(f, "COPY [64,1]", 1, two(AXON_OP_COPY, 64, 1, f32));
	small(f, "MEMSET [64,1]", 1, ({ struct axon_inst i = two(AXON_OP_MEMSET, 64, 1, f32);
		memset(&i.ap[1], 0, sizeof(i.ap[1])); i; }));
	small(f, "TENSOR_REDUCE [64,64]", 1, reduce(64, 64));
	small(f, "TENSOR_REDUCE [1,64]", 1, reduce(1, 64));
	small(f, "PARTITION_REDUCE [64,1]", 3, across(AXON_OP_PARTITION_REDUCE, 64, 1));
	small(f, "PARTITION_BROADCAST [64,1]", 3, across(AXON_OP_PARTITION_BROADCAST, 64, 1));
	small(f, "TENSOR_TENSOR [1,64]", 1, two(AXON_OP_TENSOR_TENSOR, 1, 64, f32));
	small(f, "TENSOR_TENSOR [128,512]", 1, two(AXON_OP_TENSOR_TENSOR, 128, 512, f32));
	small(f, "TENSOR_TENSOR [128,512] bf16", 1, two(AXON_OP_TENSOR_TENSOR, 128, 512, bf));
	small(f, "TENSOR_SCALAR [128,512] by tensor", 1, scalar(128, 512));
	small(f, "ACTIVATION exp [128,512]", 2, act(AXON_ACT_EXP, 128, 512));
	small(f, "TENSOR_REDUCE [128,512]", 1, reduce(128, 512));
	small(f, "PARTITION_REDUCE [128,512]", 3, across(AXON_OP_PARTITION_REDUCE, 128, 512));
	small(f, "COPY [128,512]", 1, two(AXON_OP_COPY, 128, 512, f32));
	small(f, "MAX8 [1,512]", 1, ({ struct axon_inst i = two(AXON_OP_MAX8, 1, 512, f32);
		i.ap[0].count[3] = 8; i; }));
}

/* The largest there are: how long axon_core_run() may overstay its deadline. */
static void longest(struct fx *f)
{
	const unsigned int u8 = AXON_DTYPE_UINT8, b = AXON_DTYPE_BFLOAT16;
	struct axon_inst i;

#define LONGEST(name, engine, op, dtype, change) do {					\
		i = two(op, 128, 65535, dtype);						\
		i.ap[1].offset = 65536;							\
		if (i.ap[2].nparts)							\
			i.ap[2].offset = 131072 - 2;					\
		change;									\
		printf("%-52s %8.2f ms\n", name, 1e3 * time_of(f, engine, i, 1));	\
	} while (0)
	LONGEST("COPY [128,65535] bf16 to uint8", 1, AXON_OP_COPY, u8, i.ap[1].dtype = b);
	LONGEST("TENSOR_TENSOR xor [128,65535] uint8", 1, AXON_OP_TENSOR_TENSOR, u8,
		i.op0 = AXON_ALU_XOR);
	LONGEST("TENSOR_TENSOR / [128,65535] uint8", 1, AXON_OP_TENSOR_TENSOR, u8,
		i.op0 = AXON_ALU_DIVIDE);
	LONGEST("ACTIVATION gelu [128,65535] uint8", 2, AXON_OP_ACTIVATION, u8,
		i.op0 = AXON_ACT_GELU_TANH);
	LONGEST("SELECT [128,65535] uint8", 1, AXON_OP_SELECT, u8, i.ap[2] = i.ap[1]);
	LONGEST("IOTA [128,65535] uint8", 3, AXON_OP_IOTA, u8,
		memset(&i.ap[1], 0, sizeof(i.ap[1])); i.ap[1].step[3] = 1);
	LONGEST("AFFINE_SELECT [128,65535] uint8", 3, AXON_OP_AFFINE_SELECT, u8,
		i.op0 = AXON_ALU_GE; i.ap[2].step[3] = -1);
	LONGEST("TENSOR_REDUCE [128,65535] of 1 uint8", 1, AXON_OP_TENSOR_REDUCE, u8,
		i.op0 = AXON_ALU_ADD; i.op1 = 1; i.ap[0].count[0] = 65535; i.ap[0].count[3] = 1;
		i.ap[0].step[0] = 1; i.ap[1].count[0] = 65535; i.ap[1].count[3] = 1;
		i.ap[1].step[0] = 1);
	LONGEST("TENSOR_REDUCE [128,4095] of 16 uint8", 1, AXON_OP_TENSOR_REDUCE, u8,
		i.op0 = AXON_ALU_ADD; i.op1 = 1; i.ap[0].count[0] = 4095; i.ap[0].count[3] = 1;
		i.ap[0].step[0] = 1; i.ap[1].count[0] = 4095; i.ap[1].count[3] = 16;
		i.ap[1].step[0] = 16);
	for (unsigned int p = 0; p < 128; p++)
		for (unsigned int k = 0; k < 16384; k++)
			fx_set_f32(f, 0, p, 65536 + 4 * k, (float)k);
	LONGEST("MAX8 [128,16384] ascending", 1, AXON_OP_MAX8, AXON_DTYPE_FLOAT32,
		i.ap[0].count[3] = 8; i.ap[1].count[3] = 16384);
	LONGEST("FIND_INDEX8 [128,16384], none found", 1, AXON_OP_FIND_INDEX8,
		AXON_DTYPE_FLOAT32, i.ap[2] = i.ap[1]; i.ap[2].count[3] = 16384;
		i.ap[0].dtype = AXON_DTYPE_UINT32; i.ap[1] = i.ap[2]; i.ap[1].count[3] = 8;
		i.ap[1].offset = 190000; i.ap[0].count[3] = 8);
#undef LONGEST
}

static void transfer(struct fx *f, const char *name, struct axon_dma_desc d, double bytes)
{
	double s = time_of(f, 4, fx_dma(0, d), 200);

	printf("%-52s %8.1f ns %8.1f GB/s\n", name, 1e9 * s, 1e-9 * bytes / s);
}

static void transfers(struct fx *f)
{
	struct axon_dma_desc rows = fx_desc(0, 0, FX_DATA, 2, 2048), col, get;

	rows.count[0] = 128;
	rows.src_step[0] = 4096;
	rows.dst_step[0] = AXON_PART_STRIDE;
	transfer(f, "DMA rows of 2 KiB to 128 partitions", rows, 128 * 2048);
	rows.dst_space = AXON_SPACE_PSUM;
	transfer(f, "DMA rows of 2 KiB to 128 partitions of PSUM", rows, 128 * 2048);
	rows = fx_desc(0, 0, FX_DATA, 2, 256);
	rows.count[0] = 64;
	rows.src_step[0] = 256;
	rows.dst_step[0] = AXON_PART_STRIDE;
	transfer(f, "DMA rows of 256 bytes to 64 partitions", rows, 64 * 256);
	col = fx_desc(0, 0, FX_DATA, 2, 64);
	col.src_dtype = col.dst_dtype = AXON_DTYPE_FLOAT32;
	col.src_step[3] = 4;
	col.dst_step[3] = AXON_PART_STRIDE;
	transfer(f, "DMA 64 neighbours to a column [64,1]", col, 256);
	get = col;
	get.src = col.dst;
	get.dst = col.src;
	get.src_space = 0;
	get.dst_space = 2;
	memcpy(get.src_step, col.dst_step, sizeof(get.src_step));
	memcpy(get.dst_step, col.src_step, sizeof(get.dst_step));
	transfer(f, "DMA a column [64,1] to 64 neighbours", get, 256);
	transfer(f, "DMA 4 bytes", fx_desc(0, 0, FX_DATA, 2, 4), 4);
	transfer(f, "DMA 1 MiB in memory", fx_desc(FX_DATA + (8 << 20), 2, FX_DATA, 2, 1 << 20),
		 1 << 20);
	rows = fx_desc(0, 0, FX_DATA, 2, 512);
	rows.count[0] = 128;
	rows.src_dtype = AXON_DTYPE_FLOAT32;
	rows.dst_dtype = AXON_DTYPE_BFLOAT16;
	rows.src_step[3] = 4;
	rows.dst_step[3] = 2;
	rows.src_step[0] = 2048;
	rows.dst_step[0] = AXON_PART_STRIDE;
	transfer(f, "DMA 128 rows of 512 fp32 to bf16", rows, 128 * 2048);
}

/* C = A B of 1024^3 in tiles, operands brought in from memory, the result written back. */
static void emit_gemm(struct fx *f, uint64_t a, uint64_t b, uint64_t c)
{
	struct axon_inst mm = matmul(AXON_DTYPE_FLOAT32, 128, 128, 512), copy;
	unsigned int sem = 0, done = 0;

	/* A transposed in memory: [K][M], 8 tiles of [128][1024]; B the same */
	for (unsigned int k = 0; k < 8; k++)
		for (unsigned int w = 0; w < 2; w++) {
			struct axon_dma_desc d = fx_desc(AXON_CHIP_ADDR(0, (2 * k + w) * 4096), 0,
							 (w ? b : a) + k * 128 * 4096, 2, 4096);

			d.count[0] = 128;
			d.src_step[0] = 4096;
			d.dst_step[0] = AXON_PART_STRIDE;
			fx_emit(f, 4, fx_post(fx_dma(k, d), 0, 1));
			sem++;
		}
	copy = two(AXON_OP_COPY, 128, 512, AXON_DTYPE_FLOAT32);
	for (unsigned int t = 0; t < 16; t++) {
		unsigned int m = t / 2, n = t % 2, bank = t % 8;

		for (unsigned int k = 0; k < 8; k++) {
			mm.flags = k ? AXON_F_ACCUMULATE : 0;
			mm.ap[0].offset = bank * 2048;
			mm.ap[1].offset = 2 * k * 4096 + m * 512;
			mm.ap[2].offset = (2 * k + 1) * 4096 + n * 2048;
			struct axon_inst i = mm;

			if (!t && !k)
				i = fx_wait(i, 0, sem);
			else if (t >= 8 && !k)
				i = fx_wait(i, 2, t - 7);
			fx_emit(f, 0, k == 7 ? fx_post(i, 1, 1) : i);
		}
		copy.ap[0].offset = 65536 + t * 2048;
		copy.ap[1] = mm.ap[0];
		fx_emit(f, 1, fx_post(fx_wait(copy, 1, t + 1), 2, 1));

		struct axon_dma_desc d = fx_desc(c + m * 128 * 4096 + n * 2048, 2,
						 AXON_CHIP_ADDR(0, 65536 + t * 2048), 0, 2048);

		d.count[0] = 128;
		d.src_step[0] = AXON_PART_STRIDE;
		d.dst_step[0] = 4096;
		fx_emit(f, 4, fx_post(fx_wait(fx_dma(t, d), 2, t + 1), 3, 1));
		done++;
	}
	fx_emit(f, 0, fx_inst(AXON_OP_HALT));
	fx_emit(f, 1, fx_inst(AXON_OP_HALT));
	fx_emit(f, 4, fx_wait(fx_inst(AXON_OP_HALT), 3, done));
}

static void gemm(struct fx *f)
{
	uint64_t a = FX_DATA, b = a + (4 << 20), c = b + (4 << 20);
	struct axon_launch_result r;
	double best = 1e9, worst = 0;
	float *pa = (float *)(f->mem + (a - FX_VA)), *pb = (float *)(f->mem + (b - FX_VA));
	float *pc = (float *)(f->mem + (c - FX_VA));
	uint64_t s = 5;

	for (unsigned int i = 0; i < 1024 * 1024; i++) {
		pa[i] = (float)(int32_t)fx_rand(&s) * 0x1p-31f;
		pb[i] = (float)(int32_t)fx_rand(&s) * 0x1p-31f;
	}
	fx_clear(f);
	emit_gemm(f, a, b, c);
	for (int k = 0; k < 20; k++) {
		double t = seconds();

		r = fx_run(f, 0);
		t = seconds() - t;
		if (r.fault.status)
			print_error("gemm: status %u\n", r.fault.status);
		best = t < best ? t : best;
	}
	for (int k = 0; k < 100; k++) {
		unsigned int m = fx_below(&s, 1024), n = fx_below(&s, 1024);
		double sum = 0;

		for (unsigned int i = 0; i < 1024; i++)
			sum += (double)pa[i * 1024 + m] * pb[i * 1024 + n];
		worst = fmax(worst, fabs(sum - (double)pc[m * 1024 + n]));
	}
	printf("1024^3 fp32 with DMA both ways %21.2f ms %8.1f GFLOP/s   (error %.2g, %.1f us on "
	       "the card)\n", 1e3 * best, 2e-9 * 1024 * 1024 * 1024 / best, worst,
	       (double)r.cycles * 1e6 / AXON_REF_CLOCK_HZ);
}

int main(int argc, char **argv)
{
	struct fx *f = fx_new();
	const struct axon_math *m;

	for (unsigned int v = 0; argc > 1 && (m = axon_math_variant(v)); v++)
		if (!strcmp(m->name, argv[1]))
			axon_core_set_math(&f->card, 0, m);
	printf("kernels: %s\n", f->core->math->name);
	tiles(f);
	gemm(f);
	smalls(f);
	transfers(f);
	longest(f);
	fx_free(f);
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * test_core_dma.c - DMA descriptors against one element at a time.
 */
#include "engine_ref.h"

#define AREA	(256u * 1024)	/* of memory, for each end */
#define INDICES	(FX_DATA + 2 * AREA)
#define MAX_ROWS	64u

static int setup(void **state)
{
	*state = fx_new();
	return 0;
}

static int teardown(void **state)
{
	fx_free(*state);
	return 0;
}

/* Bytes at @addr of @space, whatever lies between. */
static void get(struct fx *f, unsigned int space, uint64_t addr, uint8_t *p, uint32_t n)
{
	if (space == AXON_SPACE_MEM)
		fx_peek(f, addr, p, n);
	else
		memcpy(p, fx_chip(f, space, (unsigned int)(addr >> AXON_PART_SHIFT),
				  (uint32_t)(addr & (AXON_PART_STRIDE - 1))), n);
}

/* What a transfer writes, in order. */
struct write {
	unsigned int space;
	uint64_t addr;
	uint8_t bytes[8];
};

struct log {
	struct write *w;
	uint32_t n;
	uint32_t size;
};

/* The newest value of the element at @addr: a write of this transfer, or memory. */
static void current(struct fx *f, const struct log *l, unsigned int space, uint64_t addr,
		    uint8_t *p, uint32_t n)
{
	get(f, space, addr, p, n);
	for (uint32_t k = 0; k < l->n; k++)
		if (l->w[k].space == space && l->w[k].addr == addr)
			memcpy(p, l->w[k].bytes, n);
}

/* Element @i of the transfer, unless its row is skipped. */
static void expect_one(struct fx *f, const struct axon_dma_desc *d, const uint32_t *index,
		       const uint32_t *i, struct log *l)
{
	struct write *w = &l->w[l->n];
	uint64_t src = d->src;
	uint8_t in[8];

	w->space = d->dst_space;
	w->addr = d->dst;
	if (d->flags && index[i[0]] >= d->index_bound)
		return;
	for (int a = 0; a < 4; a++) {
		uint64_t si = i[a], di = i[a];

		if (!a && d->flags & AXON_DMA_F_GATHER)
			si = index[i[0]];
		if (!a && d->flags & AXON_DMA_F_SCATTER)
			di = index[i[0]];
		src += si * (uint64_t)(int64_t)d->src_step[a];
		w->addr += di * (uint64_t)(int64_t)d->dst_step[a];
	}
	assert_true(l->n < l->size);
	get(f, d->src_space, src, in, axon_dtype_size(d->src_dtype));
	current(f, l, d->dst_space, w->addr, w->bytes, axon_dtype_size(d->dst_dtype));
	ref_combine(d, in, w->bytes);
	l->n++;
}

static void expect(struct fx *f, const struct axon_dma_desc *d, const uint32_t *index,
		   struct log *l)
{
	uint32_t i[4];

	for (i[0] = 0; i[0] < d->count[0]; i[0]++)
		for (i[1] = 0; i[1] < d->count[1]; i[1]++)
			for (i[2] = 0; i[2] < d->count[2]; i[2]++)
				for (i[3] = 0; i[3] < d->count[3]; i[3]++)
					expect_one(f, d, index, i, l);
}

/* ---- random descriptors ---- */

/*
 * Steps of one end: packed or with gaps; on chip an axis may walk partitions. Targets do not
 * overlap. @rows: axis 0 is indexed and has @rows places.
 */
static void place(uint64_t *s, struct axon_dma_desc *d, bool target, uint32_t rows)
{
	unsigned int space = fx_below(s, 3), esz;
	int32_t *step = target ? d->dst_step : d->src_step;
	uint64_t addr;
	uint32_t span, parts = 1, part_axis = fx_below(s, 6);

	esz = axon_dtype_size(target ? d->dst_dtype : d->src_dtype);
	*(target ? &d->dst_space : &d->src_space) = (uint8_t)space;
	span = esz;
	for (int a = 3; a >= 0; a--) {
		uint32_t n = !a && rows ? rows : d->count[a];

		if (space != AXON_SPACE_MEM && (uint32_t)a == part_axis && n <= 32) {
			parts = n * 2;
			step[a] = (int32_t)AXON_PART_STRIDE * 2;
			continue;
		}
		if (!fx_below(s, 4) && span * n < 4096)
			span += fx_below(s, 40);
		step[a] = (int32_t)span;
		span *= n;
	}
	if (space == AXON_SPACE_MEM)
		addr = FX_DATA + (target ? AREA : 0) + (span < AREA ? fx_below(s, AREA - span) : 0);
	else if (space == AXON_SPACE_SBUF)
		addr = AXON_CHIP_ADDR(fx_below(s, 128 - parts + 1),
				       (target ? 96 * 1024 : 0) + fx_below(s, 1000));
	else
		addr = AXON_CHIP_ADDR(fx_below(s, 128 - parts + 1), target ? 8192 : 0);
	*(target ? &d->dst : &d->src) = addr;
}

/* Bytes inside a partition that an end reaches; checked against what @space has. */
static bool fits(const struct axon_dma_desc *d, bool target, uint32_t rows)
{
	unsigned int space = target ? d->dst_space : d->src_space;
	const int32_t *step = target ? d->dst_step : d->src_step;
	uint64_t span = 8;

	for (int a = 0; a < 4; a++)
		if (step[a] < (int32_t)AXON_PART_STRIDE)
			span += (uint64_t)step[a] * ((!a && rows ? rows : d->count[a]) - 1);
	return span < (space == AXON_SPACE_MEM ? AREA / 2 :
		       space == AXON_SPACE_SBUF ? 90u * 1024 : 8000u);
}

static struct axon_dma_desc make(uint64_t *s, uint32_t *index)
{
	static const uint16_t often[] = { 1, 1, 2, 3, 4, 8, 16, 17, 33, 64, 100 };
	struct axon_dma_desc d;
	uint32_t rows, total;

	do {
		memset(&d, 0, sizeof(d));
		total = 1;
		for (int a = 0; a < 4; a++)
			total *= d.count[a] = often[fx_below(s, 11)];
		d.op = fx_below(s, 2) ? 0 : (uint8_t)fx_below(s, 4);
		d.src_dtype = ref_dtypes[fx_below(s, sizeof(ref_dtypes))];
		d.dst_dtype = fx_below(s, 3) ? d.src_dtype :
			ref_dtypes[fx_below(s, sizeof(ref_dtypes))];
		if (!d.op && d.src_dtype == d.dst_dtype && !fx_below(s, 4))
			d.src_dtype = d.dst_dtype = fx_below(s, 2) ? AXON_DTYPE_INT64 :
				AXON_DTYPE_FP8_E4;
		rows = 0;
		if (!fx_below(s, 3)) {
			d.flags = fx_below(s, 2) ? AXON_DMA_F_GATHER : AXON_DMA_F_SCATTER;
			rows = d.index_bound = 1 + fx_below(s, MAX_ROWS);
			d.index_addr = INDICES + fx_below(s, 8192);
			if (fx_below(s, 2))
				d.flags |= AXON_DMA_F_OOB_SKIP;
		}
		place(s, &d, false, d.flags & AXON_DMA_F_GATHER ? rows : 0);
		place(s, &d, true, d.flags & AXON_DMA_F_SCATTER ? rows : 0);
	} while (total > 4000 || !fits(&d, false, d.flags & AXON_DMA_F_GATHER ? rows : 0) ||
		 !fits(&d, true, d.flags & AXON_DMA_F_SCATTER ? rows : 0));
	for (uint32_t k = 0; k < d.count[0]; k++) {
		index[k] = rows ? fx_below(s, rows) : 0;
		if (d.flags & AXON_DMA_F_OOB_SKIP && !fx_below(s, 5))
			index[k] = rows + fx_below(s, 3) * 1000000000u;
	}
	return d;
}

static void fill(struct fx *f, uint64_t *s)
{
	for (uint64_t va = FX_DATA; va < FX_DATA + 2 * AREA; va += 4) {
		float v = ref_value(s);

		fx_poke(f, va, &v, 4);
	}
	ref_fill(f, s, AXON_SBUF_PART_BYTES, false);
}

static void check(struct fx *f, const struct axon_dma_desc *d, const uint32_t *index,
		  uint64_t slice)
{
	struct log l = { .size = 4096 };
	enum axon_status st;

	l.w = calloc(l.size, sizeof(*l.w));
	assert_non_null(l.w);
	if (d->flags)
		fx_poke(f, d->index_addr, index, 4 * d->count[0]);
	expect(f, d, index, &l);
	fx_clear(f);
	fx_emit(f, 4, fx_dma(5, *d));
	fx_emit(f, 4, fx_inst(AXON_OP_HALT));
	st = (enum axon_status)fx_run(f, slice).fault.status;
	if (st != AXON_STATUS_OK)
		fail_msg("status %u: spaces %u to %u, counts %u %u %u %u flags %u", st,
			 d->src_space, d->dst_space, d->count[0], d->count[1], d->count[2],
			 d->count[3], d->flags);
	for (uint32_t k = l.n; k-- > 0;) {
		uint8_t got[8], want[8];

		/* of several writes to a place the last counts */
		get(f, d->dst_space, l.w[k].addr, got, axon_dtype_size(d->dst_dtype));
		memcpy(want, l.w[k].bytes, 8);
		for (uint32_t j = k + 1; d->flags && j < l.n; j++)
			if (l.w[j].addr == l.w[k].addr)
				memcpy(want, l.w[j].bytes, 8);
		if (memcmp(got, want, axon_dtype_size(d->dst_dtype)))
			fail_msg("spaces %u to %u, types %u to %u, op %u, counts %u %u %u %u, "
				 "flags %u: write %u wrong", d->src_space, d->dst_space,
				 d->src_dtype, d->dst_dtype, d->op, d->count[0], d->count[1],
				 d->count[2], d->count[3], d->flags, k);
	}
	free(l.w);
}

static void test_random(void **state)
{
	uint32_t index[128];
	uint64_t s = 8;

	for (int r = 0; r < 400; r++) {
		struct axon_dma_desc d = make(&s, index);

		if (r % 100 == 0)
			fill(*state, &s);
		check(*state, &d, index, r & 1 ? 1 : 0);
	}
}

/* A step of 0 with ADD: the sum of all, one after the other. */
static void test_accumulates_in_order(void **state)
{
	struct axon_dma_desc d = fx_desc(FX_DATA + 4096, 2, FX_DATA, 2, 100);
	struct fx *f = *state;
	float v[100], sum = 0.25f, got;
	uint64_t s = 1;

	d.src_dtype = d.dst_dtype = AXON_DTYPE_FLOAT32;
	d.op = AXON_DMA_ADD;
	d.src_step[3] = 4;
	d.dst_step[3] = 0;
	fx_poke(f, FX_DATA + 4096, &sum, 4);
	for (int i = 0; i < 100; i++) {
		v[i] = (float)fx_rand(&s);
		sum += v[i];
	}
	fx_poke(f, FX_DATA, v, sizeof(v));
	assert_int_equal(fx_one(f, 0, fx_dma(0, d)), AXON_STATUS_OK);
	fx_peek(f, FX_DATA + 4096, &got, 4);
	assert_true(got == sum);
}

/* Elements that lie across pages which are no neighbours in the host, either end, ADD too. */
static void test_across_pages(void **state)
{
	struct axon_dma_desc d = fx_desc(FX_DATA + 2 * 65536 - 3, 2, FX_DATA + 4096 - 5, 2, 2000);
	struct fx *f = *state;
	uint64_t v[2000], was[2000], got[2000], s = 2;

	for (int op = 0; op < 2; op++) {
		for (int i = 0; i < 2000; i++) {
			v[i] = fx_rand(&s);
			was[i] = fx_rand(&s);
		}
		fx_poke(f, d.src, v, sizeof(v));
		fx_poke(f, d.dst, was, sizeof(was));
		d.op = op ? AXON_DMA_ADD : AXON_DMA_COPY;
		d.src_dtype = d.dst_dtype = op ? AXON_DTYPE_UINT32 : AXON_DTYPE_UINT64;
		d.src_step[3] = d.dst_step[3] = op ? 4 : 8;
		d.count[3] = op ? 4000 : 2000;
		assert_int_equal(fx_one(f, 0, fx_dma(0, d)), AXON_STATUS_OK);
		fx_peek(f, d.dst, got, sizeof(got));
		for (int i = 0; i < 2000; i++) {
			uint64_t lo = (uint32_t)(v[i] + was[i]);
			uint64_t hi = (v[i] >> 32) + (was[i] >> 32);

			assert_true(got[i] == (op ? hi << 32 | lo : v[i]));
		}
	}
}

/* Memory walked backwards and a transposition. */
static void test_backwards(void **state)
{
	struct axon_dma_desc d = fx_desc(AXON_CHIP_ADDR(3, 0), 0, FX_DATA + 9996, 2, 2500);
	struct fx *f = *state;
	uint32_t v[2500];

	for (uint32_t i = 0; i < 2500; i++)
		v[i] = i;
	fx_poke(f, FX_DATA, v, sizeof(v));
	d.src_dtype = d.dst_dtype = AXON_DTYPE_UINT32;
	d.src_step[3] = -4;
	d.dst_step[3] = 4;
	assert_int_equal(fx_one(f, 0, fx_dma(0, d)), AXON_STATUS_OK);
	for (uint32_t i = 0; i < 2500; i++)
		assert_memory_equal(fx_chip(f, 0, 3, 4 * i), &v[2499 - i], 4);
	d.src = FX_DATA;
	d.count[2] = d.count[3] = 50;
	d.src_step[2] = 4;
	d.src_step[3] = 200;
	d.dst_step[2] = AXON_PART_STRIDE;
	assert_int_equal(fx_one(f, 0, fx_dma(0, d)), AXON_STATUS_OK);
	for (uint32_t i = 0; i < 50; i++)
		for (uint32_t j = 0; j < 50; j++)
			assert_memory_equal(fx_chip(f, 0, 3 + i, 4 * j), &v[50 * j + i], 4);
}

static struct axon_dma_desc fine(void)
{
	struct axon_dma_desc d = fx_desc(AXON_CHIP_ADDR(96, 16), 0, FX_DATA, 2, 64);

	d.src_dtype = d.dst_dtype = AXON_DTYPE_FLOAT32;
	d.src_step[3] = d.dst_step[3] = 4;
	d.count[0] = 32;
	d.src_step[0] = 256;
	d.dst_step[0] = AXON_PART_STRIDE;
	return d;
}

static void test_refuses(void **state)
{
	struct fx *f = *state;
	struct axon_dma_desc d;

	assert_int_equal(fx_one(f, 0, fx_dma(0, fine())), AXON_STATUS_OK);
#define REFUSED(change) do {								\
		d = fine();								\
		change;									\
		assert_int_equal(fx_one(f, 0, fx_dma(0, d)), AXON_STATUS_BAD_DMA);	\
	} while (0)
	REFUSED(d.reserved0 = 1);
	REFUSED(d.reserved1 = 1);
	REFUSED(d.post_rank = 1);
	REFUSED(d.post_sem = 1);
	REFUSED(d.post_val = 1);
	REFUSED(d.post_op = AXON_POST_ADD);
	REFUSED(d.op = 4);
	REFUSED(d.flags = 8);
	REFUSED(d.flags = AXON_DMA_F_GATHER | AXON_DMA_F_SCATTER);
	REFUSED(d.flags = AXON_DMA_F_OOB_SKIP);
	REFUSED(d.index_addr = FX_DATA);
	REFUSED(d.index_bound = 1);
	REFUSED(d.src_space = 3);
	REFUSED(d.dst_space = 3);
	REFUSED(d.src_dtype = 0);
	REFUSED(d.dst_dtype = 16);
	REFUSED(d.dst_dtype = AXON_DTYPE_UINT64);
	REFUSED(d.src_dtype = d.dst_dtype = AXON_DTYPE_UINT64; d.op = AXON_DMA_ADD);
	REFUSED(d.src_dtype = d.dst_dtype = AXON_DTYPE_FP8_E5; d.op = AXON_DMA_MAX);
	REFUSED(d.count[1] = 0);
	REFUSED(d.count[2] = 0x80000000u);
	REFUSED(d.count[0] = 33);
	REFUSED(d.dst = AXON_CHIP_ADDR(97, 0));
	REFUSED(d.dst = AXON_CHIP_ADDR(128, 0));
	REFUSED(d.dst = 1ull << 40);
	REFUSED(d.dst = AXON_CHIP_ADDR(96, AXON_SBUF_PART_BYTES - 252));
	REFUSED(d.dst_step[3] = -4);
	REFUSED(d.dst_step[0] = AXON_PART_STRIDE + 4);
	REFUSED(d.dst_step[0] = -(int32_t)AXON_PART_STRIDE * 4);
	REFUSED(d.dst_space = AXON_SPACE_PSUM; d.dst = AXON_CHIP_ADDR(96, 16384 - 252));
	REFUSED(d.flags = AXON_DMA_F_SCATTER; d.index_bound = 33);
	REFUSED(d.count[1] = d.count[2] = 0x7fffffff; d.dst_step[1] = d.dst_step[2] = 0x3ffff);
#undef REFUSED
}

static void test_faults(void **state)
{
	struct fx *f = *state;
	struct axon_launch_result r;
	struct axon_dma_desc d;
	uint32_t index[32];

	for (uint32_t i = 0; i < 32; i++)
		index[i] = i == 20 ? 40 : i;
	fx_poke(f, INDICES, index, sizeof(index));
#define FAULT(change, st, a) do {							\
		d = fine();								\
		change;									\
		fx_clear(f);								\
		fx_emit(f, 3, fx_inst(AXON_OP_NOP));					\
		fx_emit(f, 3, fx_dma(7, d));						\
		fx_emit(f, 3, fx_inst(AXON_OP_HALT));					\
		r = fx_run(f, 0);							\
		assert_int_equal(r.fault.status, st);					\
		assert_int_equal(r.fault.engine, 0x87);					\
		assert_int_equal(r.fault.pc, 1);					\
		assert_int_equal(r.fault.opcode, AXON_OP_DMA);				\
		assert_true(r.fault.addr == (a));					\
	} while (0)
	FAULT(d.src = FX_DATA + FX_DATA_SIZE - 8188, AXON_STATUS_FAULT_UNMAPPED,
	      FX_DATA + FX_DATA_SIZE);
	FAULT(d.src_space = 0; d.src = 0; d.src_step[0] = 0; d.dst_space = 2; d.dst = FX_CODE;
	      d.dst_step[0] = 256, AXON_STATUS_FAULT_WRITE, FX_CODE);
	FAULT(d.src = (1ull << 48) - 4; d.src_step[3] = 8, AXON_STATUS_FAULT_UNMAPPED,
	      (1ull << 48) - 4);
	FAULT(d.src = 1ull << 48, AXON_STATUS_FAULT_ADDRESS, 1ull << 48);
	FAULT(d.flags = AXON_DMA_F_GATHER; d.index_addr = INDICES; d.index_bound = 40,
	      AXON_STATUS_OOB_INDEX, 0);
	FAULT(d.flags = AXON_DMA_F_GATHER; d.index_addr = 0x4000; d.index_bound = 40,
	      AXON_STATUS_FAULT_UNMAPPED, 0x4000);
	FAULT(d.flags = AXON_DMA_F_GATHER; d.index_bound = 0; d.index_addr = INDICES,
	      AXON_STATUS_OOB_INDEX, 0);
	/* the first element that is not there, in the middle of one that crosses the end */
	FAULT(d.src = FX_DATA + FX_DATA_SIZE - 2, AXON_STATUS_FAULT_UNMAPPED,
	      FX_DATA + FX_DATA_SIZE);
#undef FAULT
}

static uint64_t one_transfer(struct fx *f, struct axon_dma_desc d)
{
	struct axon_launch_result r;

	fx_clear(f);
	fx_emit(f, AXON_ENGINE_CC, fx_dma(3, d));
	fx_emit(f, AXON_ENGINE_CC, fx_inst(AXON_OP_HALT));
	r = fx_run(f, 0);
	assert_int_equal(r.fault.status, AXON_STATUS_OK);
	return r.cycles - axon_cost_ctl(AXON_OP_DMA);
}

/* What isa.rst, "Cycles", says of links; the bytes are counted for the right peer and direction. */
static void test_links(void **state)
{
	static const struct axon_fabric_link pair = { 0, 1 };
	const struct axon_fabric_config cfg = { .places = 2, .uid = 1, .links = &pair,
						.num_links = 1, .bandwidth = 1000000000 };
	const uint64_t n = 40000, wire = 840 + n * 7 / 5, hop = 1400;
	struct fx *f = *state;
	struct axon_dma_desc d;
	uint8_t *near, *far;

	axon_fabric_part(&f->card);
	assert_int_equal(axon_fabric_create(&cfg, &f->card.cfg.fabric), 0);
	assert_int_equal(axon_fabric_join(&f->card), 0);
	f->far = FX_DATA + 0x40000;
	near = calloc(3, n);
	assert_non_null(near);
	far = near + n;
	for (uint64_t i = 0; i < n; i++)
		near[i] = (uint8_t)(i * 13 + i / 256);
	fx_poke(f, FX_DATA, near, n);
	d = fx_desc(f->far + 5, AXON_SPACE_MEM, FX_DATA, AXON_SPACE_MEM, n);
	assert_int_equal(one_transfer(f, d), wire + hop);
	fx_peek(f, f->far + 5, far, n);
	assert_memory_equal(far, near, n);
	assert_int_equal(f->card.peer[1].written, n);
	assert_int_equal(f->card.peer[1].read, 0);
	/* Read: there and back. */
	d = fx_desc(FX_DATA + 0x20000, AXON_SPACE_MEM, f->far + 5, AXON_SPACE_MEM, n);
	assert_int_equal(one_transfer(f, d), wire + 2 * hop);
	fx_peek(f, FX_DATA + 0x20000, far, n);
	assert_memory_equal(far, near, n);
	assert_int_equal(f->card.peer[1].read, n);
	/* Combined at the target: written, not read. */
	d = fx_desc(f->far + 5, AXON_SPACE_MEM, FX_DATA, AXON_SPACE_MEM, n);
	d.op = AXON_DMA_ADD;
	assert_int_equal(one_transfer(f, d), wire + hop);
	fx_peek(f, f->far + 5, far, n);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(far[i], (uint8_t)(2 * near[i]));
	assert_int_equal(f->card.peer[1].read, n);
	assert_int_equal(f->card.peer[1].written, 2 * n);
	/* At home the links cost nothing. */
	d = fx_desc(FX_DATA + 0x20000, AXON_SPACE_MEM, FX_DATA, AXON_SPACE_MEM, n);
	assert_int_equal(one_transfer(f, d), axon_cost_dma(1, n));
	axon_fabric_destroy(f->card.cfg.fabric);
	free(near);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accumulates_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_across_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/*
 * dma.c - what a DMA descriptor does.
 *
 * axon_dma_prepare() checks a descriptor, turns on-chip addresses into host addresses and merges
 * axes; axon_dma_work() moves a bounded amount and remembers where it stopped, since counts are the
 * user's and may last for years. Every byte of memory is reached through the MMU, piece by piece.
 */
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "core.h"
#include "engine_loop.h"
#include "fabric.h"

#define CHUNK		256u	/* elements converted at once */
/* Bytes of an end asked of the MMU at once: all that is contiguous in the host's memory. */
#define END_WINDOW	(1ull << 40)
/* Bytes of a run that would only push other data out of the host's caches on its way through. */
#define STREAM_BYTES	(512ull << 10)
#define CHIP_LIMIT	((uint64_t)AXON_PARTITIONS << AXON_PART_SHIFT)
#define MAX_COUNT	0x7fffffffu
#define ROWS		(AXON_DMA_F_GATHER | AXON_DMA_F_SCATTER)

static bool header_ok(const struct axon_dma_desc *d)
{
	if (d->reserved0 || d->reserved1 || d->op > AXON_DMA_MIN ||
	    d->flags & ~(ROWS | AXON_DMA_F_OOB_SKIP) || (d->flags & ROWS) == ROWS)
		return false;
	if (!(d->flags & ROWS) && (d->flags || d->index_addr || d->index_bound))
		return false;
	if (d->src_space > AXON_SPACE_MEM || d->dst_space > AXON_SPACE_MEM)
		return false;
	if (!axon_dtype_size(d->src_dtype) || !axon_dtype_size(d->dst_dtype))
		return false;
	if ((d->src_dtype != d->dst_dtype || d->op != AXON_DMA_COPY) &&
	    (!axon_engine_esz[d->src_dtype] || !axon_engine_esz[d->dst_dtype]))
		return false;
	for (unsigned int a = 0; a < 4; a++)
		if (d->count[a] - 1 >= MAX_COUNT)
			return false;
	return true;
}

/* Is the descriptor's post to another core one? */
static bool post_ok(const struct axon_core *c, const struct axon_dma_desc *d)
{
	if (!d->post_op)
		return !(d->post_rank || d->post_sem || d->post_val);
	return d->post_op <= AXON_POST_SET && d->post_val <= UINT16_MAX &&
		axon_core_has_rank(c, d->post_rank);
}

/* Lowest and highest value of something that starts at @at and moves on along the axes. */
struct range {
	int64_t lo, hi;
};

static void widen(struct range *r, int64_t step, uint64_t last)
{
	int64_t span = step * (int64_t)last;

	if (span < 0)
		r->lo += span;
	else
		r->hi += span;
}

/*
 * An end on chip. Partitions and bytes are checked apart: no sum of steps may leave a partition
 * sideways. Nothing overflows: 2^31 elements, steps below 2^31.
 */
static bool chip_end(struct axon_core *c, const struct axon_dma_desc *d, struct axon_dma_end *e,
		     uint64_t addr, unsigned int space, const int32_t *step, bool indexed)
{
	uint32_t size = space == AXON_SPACE_SBUF ? AXON_SBUF_PART_BYTES : AXON_PSUM_PART_BYTES;
	uint32_t pitch = space == AXON_SPACE_SBUF ? AXON_SBUF_PITCH : AXON_PSUM_PITCH;
	struct range part, byte;

	if (addr >= CHIP_LIMIT)
		return false;
	part.lo = part.hi = (int64_t)(addr >> AXON_PART_SHIFT);
	byte.lo = byte.hi = (int64_t)(addr & (AXON_PART_STRIDE - 1));
	e->base = (uintptr_t)c->space[space] + (uint64_t)part.lo * pitch + (uint64_t)byte.lo;
	for (unsigned int a = 0; a < 4; a++) {
		uint64_t last = d->count[a] - 1;

		if (indexed && !a)
			last = d->index_bound ? d->index_bound - 1 : 0;
		e->step[a] = 0;
		if (!last)
			continue;
		if (step[a] < (int32_t)AXON_PART_STRIDE && step[a] > -(int32_t)AXON_PART_STRIDE) {
			widen(&byte, step[a], last);
			e->step[a] = step[a];
		} else if (step[a] % (int32_t)AXON_PART_STRIDE == 0) {
			widen(&part, step[a] / (int32_t)AXON_PART_STRIDE, last);
			e->step[a] = (int64_t)(step[a] / (int32_t)AXON_PART_STRIDE) * pitch;
		} else {
			return false;
		}
	}
	if (part.lo < 0 || part.hi >= AXON_PARTITIONS || byte.lo < 0 || byte.hi + e->esz > size)
		return false;
	if (e->access == AXON_ACCESS_WRITE)
		axon_core_dirty(c, space, (uint32_t)part.hi + 1, (uint32_t)byte.lo,
				(uint32_t)byte.hi + e->esz);
	return true;
}

static bool make_end(struct axon_core *c, const struct axon_dma_desc *d, struct axon_dma_end *e,
		     bool target)
{
	uint64_t addr = target ? d->dst : d->src;
	unsigned int space = target ? d->dst_space : d->src_space;
	const int32_t *step = target ? d->dst_step : d->src_step;
	unsigned int dtype = target ? d->dst_dtype : d->src_dtype;

	e->mem = space == AXON_SPACE_MEM;
	e->access = target ? AXON_ACCESS_WRITE : AXON_ACCESS_READ;
	e->dtype = dtype == AXON_DTYPE_FP32R ? AXON_DTYPE_FLOAT32 : (uint8_t)dtype;
	e->esz = (uint8_t)axon_dtype_size(dtype);
	if (!e->mem)
		return chip_end(c, d, e, addr, space, step,
				d->flags & (target ? AXON_DMA_F_SCATTER : AXON_DMA_F_GATHER));
	e->access = target ? AXON_ACCESS_WRITE_FAR : AXON_ACCESS_READ_FAR;
	e->base = addr;
	for (unsigned int a = 0; a < 4; a++)
		e->step[a] = step[a];
	return true;
}

static bool mergeable(const struct axon_dma_job *j, unsigned int outer, unsigned int inner,
		      uint32_t count)
{
	return j->src.step[outer] == j->src.step[inner] * (int64_t)count &&
		j->dst.step[outer] == j->dst.step[inner] * (int64_t)count &&
		j->count[outer] * count <= UINT32_MAX;
}

static void merge_axes(const struct axon_dma_desc *d, struct axon_dma_job *j)
{
	unsigned int n = 0, first = 0;

	if (d->flags & ROWS) {
		j->count[n++] = d->count[0];
		first = 1;
	}
	for (unsigned int a = first; a < 4; a++) {
		if (d->count[a] == 1)
			continue;
		if (n > first && mergeable(j, n - 1, a, d->count[a])) {
			j->count[n - 1] *= d->count[a];
			j->src.step[n - 1] = j->src.step[a];
			j->dst.step[n - 1] = j->dst.step[a];
			continue;
		}
		j->count[n] = d->count[a];
		j->src.step[n] = j->src.step[a];
		j->dst.step[n++] = j->dst.step[a];
	}
	if (n == first) {	/* a single element (a row) */
		j->count[n] = 1;
		j->src.step[n] = j->src.esz;
		j->dst.step[n++] = j->dst.esz;
	}
	j->axes = n;
	memset(j->pos, 0, sizeof(j->pos));
}

static uint64_t mul_sat(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

static uint64_t job_cost(const struct axon_dma_job *j)
{
	unsigned int in = j->axes - 1;
	uint64_t esz = j->src.esz > j->dst.esz ? j->src.esz : j->dst.esz, runs = 1;

	for (unsigned int a = 0; a < in; a++)
		runs = mul_sat(runs, j->count[a]);
	if (j->src.step[in] == j->src.esz && j->dst.step[in] == j->dst.esz)
		return axon_cost_dma(runs, j->count[in] * esz);
	return axon_cost_dma(mul_sat(runs, j->count[in]), esz);
}

enum axon_status axon_dma_prepare(struct axon_core *c, const struct axon_dma_desc *d,
				  struct axon_dma_job *j)
{
	if (!header_ok(d) || !post_ok(c, d) || !make_end(c, d, &j->src, false) ||
	    !make_end(c, d, &j->dst, true))
		return AXON_STATUS_BAD_DMA;
	merge_axes(d, j);
	j->op = d->op;
	j->flags = d->flags;
	j->row_ready = false;
	j->index_addr = d->index_addr;
	j->index_bound = d->index_bound;
	j->mode = AXON_DMA_FLOAT;
	if (j->src.dtype == j->dst.dtype && j->op == AXON_DMA_COPY)
		j->mode = AXON_DMA_MOVE;
	else if (j->src.dtype == j->dst.dtype && axon_is_int(j->src.dtype))
		j->mode = AXON_DMA_INT;
	j->stream = j->count[j->axes - 1] >= STREAM_BYTES / j->dst.esz;
	j->cycles = job_cost(j);
	return AXON_STATUS_OK;
}

/* ---- moving ---- */

#define INT_OP(type)									\
	for (size_t i = 0; i < n; i++, dst += ds, src += ss) {				\
		type x, y;								\
											\
		memcpy(&x, dst, sizeof(x));						\
		memcpy(&y, src, sizeof(y));						\
		x = (type)(op == AXON_DMA_ADD ? (type)((uint32_t)x + (uint32_t)y) :	\
			   op == AXON_DMA_MAX ? (x > y ? x : y) : (x < y ? x : y));	\
		memcpy(dst, &x, sizeof(x));						\
	}										\
	break

static void int_op(unsigned int dtype, unsigned int op, uint8_t *dst, ptrdiff_t ds,
		   const uint8_t *src, ptrdiff_t ss, size_t n)
{
	switch (dtype) {
	case AXON_DTYPE_INT8:
		INT_OP(int8_t);
	case AXON_DTYPE_UINT8:
		INT_OP(uint8_t);
	case AXON_DTYPE_INT16:
		INT_OP(int16_t);
	case AXON_DTYPE_UINT16:
		INT_OP(uint16_t);
	case AXON_DTYPE_INT32:
		INT_OP(int32_t);
	default:
		INT_OP(uint32_t);
	}
}

static void float_op(const struct axon_core *c, const struct axon_dma_job *j, uint8_t *dst,
		     ptrdiff_t ds, const uint8_t *src, ptrdiff_t ss, size_t n)
{
	static const uint8_t alu[] = {
		[AXON_DMA_ADD] = AXON_ALU_ADD,
		[AXON_DMA_MAX] = AXON_ALU_MAX,
		[AXON_DMA_MIN] = AXON_ALU_MIN,
	};
	/* Targets that overlap accumulate one after the other. */
	size_t most = j->op && ds < j->dst.esz && ds > -j->dst.esz ? 1 : CHUNK;
	float a[CHUNK], b[CHUNK];

	for (size_t i = 0; i < n; i += most) {
		size_t k = n - i < most ? n - i : most;
		uint8_t *p = dst + (ptrdiff_t)i * ds;

		c->math->load[j->src.dtype](b, src + (ptrdiff_t)i * ss, ss, k);
		if (j->op) {
			c->math->load[j->dst.dtype](a, p, ds, k);
			c->math->bin[alu[j->op]](b, a, b, k, 0);
		}
		c->math->store[j->dst.dtype](p, ds, b, k);
	}
}

/*
 * Neighbours of one type. Ends that overlap otherwise than element by element give nothing defined,
 * but by the plain kernels they give it on every host.
 */
static void combine(const struct axon_core *c, const struct axon_dma_job *j, uint8_t *dst,
		    const uint8_t *src, size_t n)
{
	uint64_t bytes = n * j->dst.esz, ahead = (uintptr_t)dst - (uintptr_t)src;
	bool apart = !ahead || (ahead >= bytes && -ahead >= bytes);

	(apart ? c->math : &axon_math_scalar)->combine[j->dst.dtype][j->op](dst, src, n);
}

/*
 * Past the caches, whose lines would be read before they are written: half as fast again where the
 * target is in none. @n bytes, which do not overlap.
 */
static void stream(uint8_t *dst, const uint8_t *src, uint64_t n)
{
#if defined(__x86_64__)
	uint64_t head = -(uintptr_t)dst & 63;

	head = head < n ? head : n;
	memcpy(dst, src, head);
	for (dst += head, src += head, n -= head; n >= 64; dst += 64, src += 64, n -= 64) {
		const __m128i *s = (const __m128i *)src;
		__m128i *d = (__m128i *)dst;
		__m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1);
		__m128i e = _mm_loadu_si128(s + 2), f = _mm_loadu_si128(s + 3);

		_mm_stream_si128(d, a);
		_mm_stream_si128(d + 1, b);
		_mm_stream_si128(d + 2, e);
		_mm_stream_si128(d + 3, f);
	}
	/* Whoever sees the post that follows sees the data. */
	_mm_sfence();
#endif
	memcpy(dst, src, n);
}

/* Neighbours. */
static void move_bytes(const struct axon_dma_job *j, uint8_t *dst, const uint8_t *src, uint64_t n)
{
	uint64_t ahead = (uintptr_t)dst - (uintptr_t)src;

	if (j->stream && ahead >= n && -ahead >= n)
		stream(dst, src, n);
	else
		memmove(dst, src, n);
}

static void move(const struct axon_core *c, const struct axon_dma_job *j, uint8_t *dst,
		 const uint8_t *src, size_t n)
{
	ptrdiff_t ds = j->dst.step[j->axes - 1], ss = j->src.step[j->axes - 1];

	if (j->mode == AXON_DMA_MOVE && ds == j->dst.esz && ss == ds)
		move_bytes(j, dst, src, n * j->dst.esz);
	else if (j->mode == AXON_DMA_MOVE)
		axon_raw_copy(j->dst.esz, dst, ds, src, ss, n);
	else if (j->op && j->src.dtype == j->dst.dtype && ds == j->dst.esz && ss == ds)
		combine(c, j, dst, src, n);
	else if (j->mode == AXON_DMA_INT)
		int_op(j->dst.dtype, j->op, dst, ds, src, ss, n);
	else
		float_op(c, j, dst, ds, src, ss, n);
}

/* How many of @n elements from @at on lie wholly in what @w shows. */
static uint64_t fit(const struct axon_window *w, const struct axon_dma_end *e, uint64_t at,
		    int64_t step, uint64_t n)
{
	uint64_t off = at - w->va, k;

	if (w->len - off < e->esz)
		return 0;
	if (!step)
		return n;
	/* Mostly all of them do. n is below 2^32, a step below 2^31. */
	if (step > 0 && (n - 1) * (uint64_t)step <= w->len - off - e->esz)
		return n;
	k = step > 0 ? (w->len - off - e->esz) / (uint64_t)step : off / (uint64_t)-step;
	return k < n ? k + 1 : n;
}

/*
 * Host address of the element at @at; *@n becomes the number of elements that can be reached from
 * it. 0: the element lies across a border of what the MMU shows and goes by way of a copy.
 */
static enum axon_status reach(struct axon_core *c, struct axon_dma_end *e, uint64_t at,
			      int64_t step, uint64_t *n, uint8_t **p, uint64_t *addr)
{
	enum axon_status st;
	bool fresh;

	if (!e->mem) {
		*p = (uint8_t *)(uintptr_t)at;
		return AXON_STATUS_OK;
	}
	fresh = at - e->win.va >= e->win.len;
	st = axon_window_get(c, &e->win, at, END_WINDOW, e->access);
	if (st != AXON_STATUS_OK) {
		*addr = at;
		return st;
	}
	if (fresh && c->card->fabric->places > 1)
		e->peer = axon_mmu_peer(c->card, c->launch.asid, at, e->access);
	*n = fit(&e->win, e, at, step, *n);
	*p = e->win.ptr + (at - e->win.va);
	return AXON_STATUS_OK;
}

/* Does what the window shows lie in a peer's HBM? */
static bool is_far(const struct axon_core *c, const struct axon_dma_end *e)
{
	return e->mem && c->card->fabric->places > 1 && e->peer != AXON_NO_PEER;
}

/* @n elements have been moved; what is combined at the target counts as written. */
static void count_links(struct axon_core *c, struct axon_dma_job *j, uint64_t n)
{
	if (is_far(c, &j->src))
		axon_link_move(c->card, &j->use, &c->lines, AXON_LINK_IN, j->src.peer,
			       n * j->src.esz);
	if (is_far(c, &j->dst))
		axon_link_move(c->card, &j->use, &c->lines, AXON_LINK_OUT, j->dst.peer,
			       n * j->dst.esz);
}

/* A fault in the middle of an element must not leave the half of it that could be written. */
static enum axon_status all_writable(struct axon_core *c, uint64_t at, uint64_t len, uint64_t *addr)
{
	while (len) {
		uint64_t n = len;
		uint8_t *p;
		enum axon_status st = axon_mmu_translate(c->card, c->launch.asid, at, &n,
							 AXON_ACCESS_WRITE_FAR, &p);

		if (st != AXON_STATUS_OK) {
			*addr = at;
			return st;
		}
		at += n;
		len -= n;
	}
	return AXON_STATUS_OK;
}

/* One element, of which at least one end lies across a border. */
static enum axon_status bounce(struct axon_core *c, struct axon_dma_job *j, uint64_t src,
			       uint8_t *psrc, uint64_t dst, uint8_t *pdst, uint64_t *addr)
{
	uint32_t asid = c->launch.asid;
	uint8_t in[8], out[8];
	enum axon_status st;

	if (!psrc) {
		st = axon_mmu_copy(c->card, asid, src, in, j->src.esz, AXON_ACCESS_READ_FAR, addr);
		if (st != AXON_STATUS_OK)
			return st;
		psrc = in;
	}
	if (pdst) {
		move(c, j, pdst, psrc, 1);
		return AXON_STATUS_OK;
	}
	st = all_writable(c, dst, j->dst.esz, addr);
	if (st != AXON_STATUS_OK)
		return st;
	if (j->op) {
		st = axon_mmu_copy(c->card, asid, dst, out, j->dst.esz, AXON_ACCESS_READ_FAR,
				   addr);
		if (st != AXON_STATUS_OK)
			return st;
	}
	move(c, j, out, psrc, 1);
	return axon_mmu_copy(c->card, asid, dst, out, j->dst.esz, AXON_ACCESS_WRITE_FAR, addr);
}

/* Elements of the innermost axis until the run or the budget ends. */
static enum axon_status run(struct axon_core *c, struct axon_dma_job *j, uint64_t src,
			    uint64_t dst, uint64_t *budget, uint64_t *addr)
{
	unsigned int in = j->axes - 1;
	int64_t ss = j->src.step[in], ds = j->dst.step[in];

	while (j->pos[in] < j->count[in] && *budget) {
		uint64_t s = src + j->pos[in] * (uint64_t)ss, d = dst + j->pos[in] * (uint64_t)ds;
		uint64_t n = j->count[in] - j->pos[in], ns, nd, cost;
		uint8_t *ps, *pd;
		enum axon_status st;

		if (n > *budget)	/* an element costs at least one */
			n = *budget;
		ns = nd = n;
		st = reach(c, &j->src, s, ss, &ns, &ps, addr);
		if (st != AXON_STATUS_OK)
			return st;
		st = reach(c, &j->dst, d, ds, &nd, &pd, addr);
		if (st != AXON_STATUS_OK)
			return st;
		n = ns < nd ? ns : nd;
		if (n) {
			move(c, j, pd, ps, n);
		} else {
			n = 1;
			st = bounce(c, j, s, ns ? ps : NULL, d, nd ? pd : NULL, addr);
			if (st != AXON_STATUS_OK)
				return st;
		}
		count_links(c, j, n);
		j->pos[in] += n;
		cost = n * j->dst.esz + 64;
		*budget -= cost < *budget ? cost : *budget;
	}
	return AXON_STATUS_OK;
}

/* Host address of the @len bytes from @at on, if no new window is needed for them. */
static uint8_t *shown(const struct axon_dma_end *e, uint64_t at, uint64_t len)
{
	uint64_t off = at - e->win.va;

	if (!e->mem)
		return (uint8_t *)(uintptr_t)at;
	return off < e->win.len && e->win.len - off >= len ? e->win.ptr + off : NULL;
}

/*
 * Short runs of neighbours, one after the other along the axis around them, as run() and advance()
 * would move them; the last is left to these. @src, @dst: the first, then the next one.
 */
static void short_runs(struct axon_dma_job *j, uint64_t *src, uint64_t *dst, uint64_t *budget)
{
	unsigned int in = j->axes - 1, axis = in - 1;
	uint64_t len = j->count[in] * j->dst.esz;

	while (*budget > len + 64 && j->pos[axis] + 1 < j->count[axis]) {
		const uint8_t *ps = shown(&j->src, *src, len);
		uint8_t *pd = shown(&j->dst, *dst, len);

		if (!ps || !pd)
			return;
		memmove(pd, ps, len);
		*src += (uint64_t)j->src.step[axis];
		*dst += (uint64_t)j->dst.step[axis];
		j->pos[axis]++;
		*budget -= len + 64;
	}
}

static bool has_short_runs(const struct axon_core *c, const struct axon_dma_job *j)
{
	unsigned int in = j->axes - 1;

	return in && !is_far(c, &j->src) && !is_far(c, &j->dst) && j->mode == AXON_DMA_MOVE &&
	       !(j->flags & ROWS) && !j->pos[in] && j->src.step[in] == j->src.esz &&
	       j->dst.step[in] == j->dst.esz;
}

/* The index of row pos[0]: read once. *@skip: it is out of bounds and may be. */
static enum axon_status row_index(struct axon_core *c, struct axon_dma_job *j, bool *skip,
				  uint64_t *addr)
{
	if (!j->row_ready) {
		uint64_t va = j->index_addr + 4 * j->pos[0];
		enum axon_status st = axon_window_get(c, &j->idx, va, AXON_WINDOW,
						      AXON_ACCESS_READ);

		*addr = va;
		if (st != AXON_STATUS_OK)
			return st;
		if (j->idx.len - (va - j->idx.va) >= 4)
			memcpy(&j->index, j->idx.ptr + (va - j->idx.va), 4);
		else
			st = axon_mmu_read(c->card, c->launch.asid, va, &j->index, 4, addr);
		if (st != AXON_STATUS_OK)
			return st;
		j->row_ready = true;
	}
	*skip = j->index >= j->index_bound;
	if (*skip && !(j->flags & AXON_DMA_F_OOB_SKIP))
		return AXON_STATUS_OOB_INDEX;
	return AXON_STATUS_OK;
}

/* The next run. Return: false after the last one. */
static bool advance(struct axon_dma_job *j, unsigned int from)
{
	for (unsigned int a = from + 1; a < j->axes; a++)
		j->pos[a] = 0;
	for (int a = (int)from; a >= 0; a--) {
		if (a == 0)
			j->row_ready = false;
		if (++j->pos[a] < j->count[a])
			return true;
		j->pos[a] = 0;
	}
	return false;
}

static uint64_t row_pos(const struct axon_dma_job *j, unsigned int indexed, unsigned int axis)
{
	return !axis && j->flags & indexed ? j->index : j->pos[axis];
}

enum axon_status axon_dma_work(struct axon_core *c, struct axon_dma_job *j, uint64_t budget,
			       bool *done, uint64_t *addr)
{
	unsigned int in = j->axes - 1;

	*done = false;
	*addr = 0;
	while (budget) {
		uint64_t src = j->src.base, dst = j->dst.base;
		enum axon_status st;
		bool skip = false;

		if (j->flags & ROWS) {
			st = row_index(c, j, &skip, addr);
			if (st != AXON_STATUS_OK)
				return st;
		}
		if (!skip) {
			for (unsigned int a = 0; a < in; a++) {
				src += row_pos(j, AXON_DMA_F_GATHER, a) *
					(uint64_t)j->src.step[a];
				dst += row_pos(j, AXON_DMA_F_SCATTER, a) *
					(uint64_t)j->dst.step[a];
			}
			if (has_short_runs(c, j))
				short_runs(j, &src, &dst, &budget);
			st = run(c, j, src, dst, &budget, addr);
			if (st != AXON_STATUS_OK)
				return st;
			if (j->pos[in] < j->count[in])
				return AXON_STATUS_OK;
			j->pos[in] = 0;
		} else {
			budget -= budget < 64 ? budget : 64;
		}
		if (!in || !advance(j, skip ? 0 : in - 1)) {
			*done = true;
			return AXON_STATUS_OK;
		}
	}
	return AXON_STATUS_OK;
}

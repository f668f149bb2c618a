// SPDX-License-Identifier: MIT
/*
 * bench_card.c - what the frame of the card costs: a command's round trip, a translation.
 *
 * Run by `meson test --benchmark`; prints figures and judges none of them, for the machine may be
 * busy. The argument is the firmware image.
 */
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "internal.h"

static const struct axon_cmd nop;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s\n", what);
		exit(1);
	}
}

/* One command at a time; @pause_ns between them lets the card fall asleep. */
static void round_trips(struct host *h, const char *name, struct axon_cmd cmd, uint32_t count,
			uint64_t pause_ns)
{
	uint64_t *ns = calloc(count, sizeof(*ns)), sum = 0;
	struct host_queue q;
	struct axon_mbox_queue_id id = { .queue = 0 };
	struct axon_cqe cqe;

	check(ns && host_queue_create(&q, h, 0, 0, 64) == AXON_MBOX_OK, "queue");
	for (uint32_t i = 0; i < count; i++) {
		uint64_t start = host_now_ns();

		while (host_now_ns() - start < pause_ns)
			;
		start = host_now_ns();
		host_submit(&q, cmd);
		check(host_complete(&q, &cqe) && !cqe.status, "completion");
		ns[i] = host_now_ns() - start;
		sum += ns[i];
	}
	qsort(ns, count, sizeof(*ns), compare);
	printf("%-28s p50 %6lu ns, p99 %7lu ns, mean %6lu ns, %u doorbells in %u\n", name,
	       (unsigned long)ns[count / 2], (unsigned long)ns[count / 100 * 99],
	       (unsigned long)(sum / count), q.doorbells, count);
	host_call(h, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id), NULL);
	free(ns);
}

static void copies(struct host *h, const char *name, uint64_t src, uint64_t size, uint32_t count)
{
	struct axon_mbox_queue_id id = { .queue = 0 };
	struct axon_cmd cmd = { .opcode = AXON_CMD_COPY, .copy = {
		.dst = HOST_HBM_VA + (32ull << 20), .src = src, .size = size } };
	struct host_queue q;
	struct axon_cqe cqe;
	uint64_t start;

	check(host_queue_create(&q, h, 0, 0, 64) == AXON_MBOX_OK, "queue");
	start = host_now_ns();
	for (uint32_t i = 0; i < count; i++) {
		host_submit(&q, cmd);
		check(host_complete(&q, &cqe) && !cqe.status, "completion");
	}
	printf("%-28s %.2f GB/s\n", name,
	       (double)size * count / (double)(host_now_ns() - start));
	host_call(h, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id), NULL);
}

static void throughput(struct host *h, uint32_t batch, uint32_t count)
{
	struct axon_mbox_queue_id id = { .queue = 0 };
	struct host_queue q;
	struct axon_cqe cqe;
	uint64_t start;

	check(host_queue_create(&q, h, 0, 0, 256) == AXON_MBOX_OK, "queue");
	start = host_now_ns();
	for (uint32_t done = 0; done < count; done += batch) {
		for (uint32_t i = 0; i < batch; i++)
			host_submit(&q, nop);
		for (uint32_t i = 0; i < batch; i++)
			check(host_complete(&q, &cqe), "completion");
	}
	printf("%-28s %.2f million commands/s\n", "NOPs in batches of 128",
	       count / ((double)(host_now_ns() - start) / 1e3));
	host_call(h, AXON_MBOX_QUEUE_DESTROY, &id, sizeof(id), NULL);
}

/* The card alone, on this thread: no second CPU, no cache lines that travel. */
static void alone(struct host *h, uint32_t rounds)
{
	struct host_queue q;
	struct axon_cqe cqe;
	uint64_t start, total = 0;

	check(host_queue_create(&q, h, 0, 0, 256) == AXON_MBOX_OK, "queue");
	host_stop_thread(h);
	for (uint32_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < 128; i++) {
			q.sq[q.tail & 255] = nop;
			q.tail++;
		}
		q.state->sq_tail = q.tail;
		start = host_now_ns();
		while (axon_card_run(h->card))
			;
		total += host_now_ns() - start;
		for (uint32_t i = 0; i < 128; i++)
			check(host_complete(&q, &cqe), "completion");
	}
	printf("%-28s %6.1f ns a command\n", "NOP, card thread alone",
	       (double)total / rounds / 128);
	start = host_now_ns();
	for (uint32_t r = 0; r < 100000; r++)
		axon_card_run(h->card);
	printf("%-28s %6.1f ns\n", "idle slice, one queue", (double)(host_now_ns() - start) / 1e5);
}

static void translations(struct host *h, const char *name, uint64_t va, uint64_t pages,
			 uint64_t stride, bool cold)
{
	uint64_t sum = 0, start = host_now_ns(), count = 0, took;

	for (int round = 0; round < 2000; round++) {
		if (cold)
			axon_mmu_invalidate(h->card, 1);
		if (cold)
			start = host_now_ns();
		for (uint64_t i = 0; i < pages; i++) {
			uint64_t len = 64;
			uint8_t *ptr;

			if (axon_mmu_translate(h->card, 1, va + i * stride, &len,
					       AXON_ACCESS_READ, &ptr) != AXON_STATUS_OK)
				exit(1);
			sum += (uintptr_t)ptr;
		}
		if (cold)
			count += host_now_ns() - start;
	}
	took = cold ? count : host_now_ns() - start;
	printf("%-28s %6.2f ns%s\n", name, (double)took / 2000 / (double)pages,
	       sum ? "" : " ");
}

int main(int argc, char **argv)
{
	struct host *h;

	if (argc != 2)
		return 2;
	h = host_start(argv[1], 50000);
	round_trips(h, "NOP, card polls", nop, 200000, 0);
	round_trips(h, "NOP, card sleeps", nop, 2000, 300000);
	round_trips(h, "LAUNCH of NOPs, card polls", (struct axon_cmd){
		.opcode = AXON_CMD_LAUNCH, .launch.program = host_program(h, AXON_OP_NOP) },
		100000, 0);
	copies(h, "COPY of 1 MiB, bus to HBM", HOST_BUS_VA + (2 << 20), 1 << 20, 1000);
	copies(h, "COPY of 16 MiB in HBM", HOST_HBM_VA, 16 << 20, 100);
	throughput(h, 128, 2000000);
	/* The thread ends: the card is ours. */
	alone(h, 5000);
	translations(h, "translate: hit, same page", HOST_HBM_VA, 1000, 0, false);
	translations(h, "translate: hit, 500 pages", HOST_HBM_VA, 500, 4096, false);
	translations(h, "translate: miss, HBM 2M", HOST_HBM_VA, 500, 4096, true);
	translations(h, "translate: miss, bus 4K", HOST_BUS_VA, 500, 4096, true);
	host_end(h);
	return 0;
}

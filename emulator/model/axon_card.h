/* SPDX-License-Identifier: MIT */
/*
 * axon_card.h - the card as a C library: what the QEMU device and the soft card are made of.
 *
 * One struct axon_card is one card. No globals, no environment, no exit(), no threads, no output:
 * the caller brings memory, time, DMA, interrupts and the thread that runs the card.
 *
 * Threads. axon_card_read(), axon_card_write() and axon_card_doorbell() may be called by any thread
 * at any time and return within a microsecond. Everything else, "the card thread's calls", must not
 * run at the same time as another of them on the same card. Different cards are independent, also
 * cards of one fabric: what one does to another happens in the other's own calls.
 *
 * Callbacks. A card may call back with locks of the model held; so no caller may hold a lock that a
 * callback takes when he calls a card.
 */
#ifndef AXON_CARD_H
#define AXON_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct axon_card;
struct axon_fabric;

/* ---- fabrics ---- */

/* A link between two neighbours, both ways. */
struct axon_fabric_link {
	uint32_t a;
	uint32_t b;
};

/**
 * struct axon_fabric_config - what a fabric is made with
 * @places: 1..AXON_MAX_PEERS
 * @lanes: of every link, at most 1024; 0: 8
 * @latency_ns: of every link, 100..1000000; 0: 1000
 * @bandwidth: bytes a second of a link in one direction, 10^6..10^15; 0: 128 * 10^9
 * @credits: bytes that may be under way to a peer, 4096..2^40; 0: 256 KiB
 * @uid: AXON_REG_FABRIC_UID, not 0
 * @links: @num_links of them; a pair stands once; every place must be reachable
 * @num_links: links
 *
 * Sources of the defaults: Documentation/isa.rst, "Cycles".
 */
struct axon_fabric_config {
	uint32_t places;
	uint32_t lanes;
	uint32_t latency_ns;
	uint32_t num_links;
	uint64_t bandwidth;
	uint64_t credits;
	uint64_t uid;
	const struct axon_fabric_link *links;
};

/**
 * axon_fabric_create() - make a fabric without cards; cards are put into it by
 * &struct axon_card_config
 * @config: copied
 * @fabric: result
 *
 * Unlike cards a fabric is for all threads: cards may be made and destroyed in it while others run.
 *
 * Return: 0, -EINVAL (out of range, a link to itself or twice, not connected), -ENOMEM.
 */
int axon_fabric_create(const struct axon_fabric_config *config, struct axon_fabric **fabric);

/** axon_fabric_destroy() - gives it up; it lives on while cards are in it. NULL is fine. */
void axon_fabric_destroy(struct axon_fabric *fabric);

/**
 * axon_fabric_parse() - a fabric from text
 * @text: "pair", "ring", "torus" (as square as it can be), "torus:RxC", "mesh" (all with all), or
 *	the content of a topology file: lines "link A B" or one of the names before, "latency-ns N",
 *	"bandwidth N", "lanes N", "credits N", with # for comments
 * @config: with @places set; filled in, other members that are not 0 are kept. @links is allocated,
 *	free() it
 * @error: gets what is wrong and in which line; may be NULL
 * @size: of @error
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int axon_fabric_parse(const char *text, struct axon_fabric_config *config, char *error,
		      size_t size);

/* ---- cards ---- */

/**
 * struct axon_card_config - what a card is made with
 * @cores: 1..AXON_MAX_CORES
 * @hbm_stacks: 1, 2 or 4
 * @revision: AXON_REVISION_A1
 * @place: its peer id in @fabric; 0 without
 * @serial: serial number
 * @hbm_size: bytes, a multiple of 2 MiB times @hbm_stacks
 * @hbm: the memory itself, zeroed, caller's; NULL: the card allocates it (lazily touched)
 * @mbox: AXON_MBOX_SIZE bytes, page aligned, caller's; NULL: the card allocates it
 * @fabric: what the card is linked to, or NULL
 */
struct axon_card_config {
	uint32_t cores;
	uint32_t hbm_stacks;
	uint32_t revision;
	uint32_t place;
	uint64_t serial;
	uint64_t hbm_size;
	void *hbm;
	void *mbox;
	struct axon_fabric *fabric;
};

enum axon_card_log_level { AXON_CARD_ERROR = 0, AXON_CARD_WARN = 1, AXON_CARD_INFO = 2 };

/**
 * struct axon_card_ops - what a card needs from its surroundings
 * @dma_map: make @len bytes of bus address @addr reachable; gives a host pointer valid until
 *	@dma_unmap, and may shorten *@len (not below one byte); NULL if the bus refuses.
 *	Mappings are kept in the card's TLB and dropped on invalidation and reset
 * @dma_unmap: end of a mapping, with the length @dma_map returned
 * @irq: raise MSI-X vector @vector (edge). Called by the card thread and, for vector 0, by
 *	axon_card_write(); must not call back into the card
 * @wake: the card has work: the card thread must call axon_card_run(). Called by
 *	axon_card_write(), axon_card_doorbell() and axon_card_set() in any thread, and by the calls
 *	of other cards of the fabric in theirs; must not call back
 * @now_ns: monotonic time of the host in nanoseconds; drives the firmware's clock, interrupt
 *	moderation and busy counters, never a result or a cycle count
 * @log: one line for the operator of the emulator, no newline; may be NULL
 */
struct axon_card_ops {
	void *(*dma_map)(void *opaque, uint64_t addr, uint64_t *len, bool write);
	void (*dma_unmap)(void *opaque, void *host, uint64_t len, bool write);
	void (*irq)(void *opaque, unsigned int vector);
	void (*wake)(void *opaque);
	uint64_t (*now_ns)(void *opaque);
	void (*log)(void *opaque, enum axon_card_log_level level, const char *line);
};

/**
 * axon_card_create() - make a card, powered on, not booted
 * @config: copied
 * @ops: copied; every member but @log must be set
 * @opaque: passed to every callback
 * @card: result
 *
 * Return: 0, -EINVAL (config out of range), -EEXIST (its place is taken), -ENOMEM.
 */
int axon_card_create(const struct axon_card_config *config, const struct axon_card_ops *ops,
		     void *opaque, struct axon_card **card);

/**
 * axon_card_destroy() - end of a card; the card thread must have stopped. NULL is fine.
 *
 * No other card of its fabric touches its memory any more when this returns; it waits for their
 * slices to end, so it must not be called by a thread that another card's slice waits for.
 */
void axon_card_destroy(struct axon_card *card);

/**
 * axon_card_read() - read a register of BAR 0
 * @offset: below AXON_REGS_SIZE, a multiple of 4 (anything else reads as all ones)
 */
uint32_t axon_card_read(struct axon_card *card, uint32_t offset);
void axon_card_write(struct axon_card *card, uint32_t offset, uint32_t value);

/** axon_card_doorbell() - a write to doorbell page @queue; an unknown queue is ignored */
void axon_card_doorbell(struct axon_card *card, uint32_t queue);

/**
 * axon_card_run() - let the card work for a bounded slice
 *
 * Takes up reset and boot requests, runs the control core, fetches commands, runs engines,
 * writes completions. A slice ends after roughly 50 us of work; one long instruction may take it
 * further: some milliseconds with SIMD, 140 ms for the largest GELU in plain C.
 *
 * Return: true if there is more to do right now.
 */
bool axon_card_run(struct axon_card *card);

/**
 * axon_card_prepare_sleep() - announce in memory that the card will sleep
 * @deadline_ns: set to the now_ns() by which axon_card_run() must be called again (firmware timer,
 *	watchdog, held-back interrupt), UINT64_MAX if there is none
 *
 * Publishes sq_event of every queue and looks again. axon_card_run() takes the announcement back.
 *
 * Return: true if the thread may block until wake() or the deadline, false if work has come.
 */
bool axon_card_prepare_sleep(struct axon_card *card, uint64_t *deadline_ns);

/**
 * axon_card_waits_for() - which card should run so that this one's launches can go on
 *
 * For callers that have fewer threads than cards. A card thread's call.
 *
 * Return: the place of a card that a gang waits for; the card's own place if a gang waits for
 * launches that no card has come to yet, or for another core of this card; AXON_NO_PEER if no gang
 * waits.
 */
uint32_t axon_card_waits_for(struct axon_card *card);

/**
 * axon_card_reset() - power-on reset, as by FLR: queues, address spaces, mappings and firmware are
 * gone; HBM keeps its content. Every dma_map() has been unmapped on return. Waits for the slices of
 * other cards of the fabric, as axon_card_destroy() does; so may axon_card_run() when it takes up a
 * request for a reset.
 */
void axon_card_reset(struct axon_card *card);

/**
 * axon_card_drop_mappings() - the card may no longer reach the host's memory (bus mastering went
 * off): every dma_map() has been unmapped on return. Nothing else changes; the next access asks
 * dma_map() again. A card thread's call.
 */
void axon_card_drop_mappings(struct axon_card *card);

/* Memory of the card, for mapping as BARs. */
void *axon_card_hbm(struct axon_card *card);
void *axon_card_mbox(struct axon_card *card);

/* What can be made to fail or be set from outside (QOM properties, tests). */
enum axon_card_knob {
	AXON_KNOB_TEMP_OFFSET = 0,	/* added to the die temperature, millidegrees, signed */
	AXON_KNOB_HBM_ECC_CE = 1,	/* adds corrected errors */
	AXON_KNOB_HBM_ECC_UE = 2,	/* adds uncorrected errors */
	AXON_KNOB_STALL_FW = 3,		/* 1: the control core stops executing (watchdog bites) */
	AXON_KNOB_DROP_IRQ = 4,		/* drop the next n interrupts of queues */
	AXON_KNOB_LINK_DOWN = 5,	/* 1: this card's links are down, 0: up again */
};

/**
 * axon_card_set() - turn a knob; any thread
 *
 * Return: 0 or -EINVAL.
 */
int axon_card_set(struct axon_card *card, enum axon_card_knob knob, int64_t value);

#ifdef __cplusplus
}
#endif

#endif /* AXON_CARD_H */

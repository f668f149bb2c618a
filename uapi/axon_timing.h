/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_timing.h - what transfers, posts and links take: the numbers of the card's timing model that
 * others predict with.
 *
 * The contract between the card, which counts by them, and whoever plans ahead (collectives). Where
 * they come from and how they combine: Documentation/isa.rst, "Cycles". What a link of a given
 * fabric takes is asked of the card (hardware.rst, "Links"); here are the defaults only.
 */
#ifndef AXON_TIMING_H
#define AXON_TIMING_H

#include "axon_types.h"

/* Cycles of the reference clock (AXON_REF_CLOCK_HZ). */
#define AXON_CYCLES_NOP			8u	/* also HALT, and a wait on one of them */
#define AXON_CYCLES_POST		16u
#define AXON_CYCLES_DMA			64u	/* the sequencer's part of a transfer */
#define AXON_CYCLES_DMA_SETUP		840u	/* of a transfer: descriptor generation, 600 ns */
#define AXON_CYCLES_LOCAL_POST		64u	/* on its way between the cores of a card */

/* A queue moves bytes in cycles = bytes * MUL / DIV, rounded up: 23 bytes a nanosecond. */
#define AXON_DMA_CYCLES_MUL		14u
#define AXON_DMA_CYCLES_DIV		230u
#define AXON_DMA_MIN_RUN_BYTES		64u	/* what is contiguous counts as that many bytes */
#define AXON_DMA_QUEUE_DEPTH		64u	/* transfers; the next one stalls its engine */

/* A link: Trainium2's bandwidth in one direction, and of a step's published 1 to 2 us the first. */
#define AXON_LINK_DEFAULT_LATENCY_NS	1000u
#define AXON_LINK_DEFAULT_MB_S		128000u
#define AXON_LINK_DEFAULT_CREDITS	(256u << 10)	/* bytes under way at most */

#endif /* AXON_TIMING_H */

/* SPDX-License-Identifier: MIT */
/*
 * gang.h - members of gangs for the driver's guest tests: programs that post to each other, and a
 * context with a queue that launches them.
 */
#ifndef GANG_H
#define GANG_H

#include "drv.h"

#define GANG_PLACE	0x50000000ull	/* where members bind the page that names their gangs */
#define GANG_BUFFER	0x60000000ull	/* where they bind what they send to each other */
#define GANG_BLOCK	4096u		/* bytes of it */
#define GANG_LONG	600000u		/* ms: no timeout that a test could see */

/**
 * struct gang - a launch as member of a gang
 * @addr: where the gang's 64 bytes are bound
 */
struct gang {
	uint64_t addr;
	uint32_t rank, ranks;
};

/*
 * What a member does, on engine sync, after it has @rounds times posted to the next rank and waited
 * for the one before, and then stored its number of ranks to ENV_DATA.
 */
enum gang_kind {
	GANG_MEET,	/* nothing */
	GANG_SPIN,	/* never ends */
	GANG_WAIT,	/* waits for a post that does not come */
	GANG_FAULT,	/* stores to ENV_NOWHERE */
};
void prog_gang(void *mem, uint64_t addr, const struct gang *g, enum gang_kind kind,
	       uint32_t rounds);
/*
 * Two members: one writes @blocks blocks of its ENV_DATA one after the other to GANG_BUFFER, each
 * with a post to the next rank; the other one copies GANG_BUFFER, after each post, to a block of
 * its own ENV_DATA and says that it has.
 */
void prog_gang_send(void *mem, uint64_t addr, const struct gang *g, uint32_t blocks);
void prog_gang_receive(void *mem, uint64_t addr, const struct gang *g, uint32_t blocks);

/**
 * struct place - a page of HBM whose parts name gangs
 * @fd: of its card
 * @dma_buf: the page, to be handed to every member
 */
struct place {
	int fd;
	int dma_buf;
};

void place_open(struct place *p, const char *card);	/* bails out */
void place_close(struct place *p);

/**
 * struct member - a context with a queue on a core, to be part of a gang
 * @e: its file, address space, code
 * @sync: syncobj of the newest launch
 * @fence: sync_file of the newest launch, -1: none
 */
struct member {
	struct env e;
	uint32_t sync;
	int fence;
};

/* Each bails out if it cannot. */
void member_open(struct member *m, const struct place *p, const char *card, uint32_t core,
		 uint32_t timeout_ms);
void member_close(struct member *m);
/* launch the program at ENV_CODE */
void member_launch(struct member *m);
/* write a program there that is rank @rank of the gang at the place's begin, and launch it */
void member_start(struct member *m, uint32_t rank, uint32_t ranks, enum gang_kind kind,
		  uint32_t rounds);
/* the launch has met the others */
void member_has_met(struct member *m);
/* wait for the launch's end: its fence's error */
int member_end(struct member *m);
struct drm_axon_ctx_get_state member_state(struct member *m);

#endif /* GANG_H */

// SPDX-License-Identifier: MIT
/* fakes.c - cores and control core of paper, for tests of the frame alone; see env.h. */
#include <errno.h>
#include <pthread.h>

#include "env.h"

struct fakes fakes;

int axon_core_create(struct axon_card *card, uint32_t index)
{
	card->core[index] = (struct axon_core *)&fakes.core[index];
	return 0;
}

void axon_core_destroy(struct axon_card *card, uint32_t index)
{
	card->core[index] = NULL;
}

struct axon_core_stats *axon_core_stats(struct axon_card *card, uint32_t index)
{
	return &fakes.core[index].stats;
}

bool axon_core_busy(struct axon_card *card, uint32_t index)
{
	return fakes.core[index].busy;
}

enum axon_status axon_core_start(struct axon_card *card, uint32_t index,
				 const struct axon_launch *launch)
{
	struct fake_core *core = &fakes.core[index];

	if (core->refuse || core->busy)
		return AXON_STATUS_BAD_PROGRAM;
	core->busy = true;
	core->launch = *launch;
	core->starts++;
	core->left = core->slices;
	if (fakes.orders < sizeof(fakes.order) / sizeof(fakes.order[0]))
		fakes.order[fakes.orders++] = launch->queue;
	return AXON_STATUS_OK;
}

enum axon_status axon_core_check(const struct axon_program *p)
{
	return AXON_STATUS_OK;
}

enum axon_core_turn axon_core_run(struct axon_card *card, uint32_t index, uint64_t deadline_ns,
				  struct axon_launch_result *result)
{
	struct fake_core *core = &fakes.core[index];

	if (core->left) {
		core->left--;
		return AXON_CORE_MORE;
	}
	core->busy = false;
	*result = core->result;
	return AXON_CORE_ENDED;
}

void axon_core_abort(struct axon_card *card, uint32_t index)
{
	fakes.core[index].busy = false;
	fakes.core[index].aborts++;
}

void axon_core_forget(struct axon_card *card, uint32_t asid)
{
	fakes.forgotten |= 1ull << asid;
}

int axon_ctrl_create(struct axon_card *card)
{
	card->ctrl = (struct axon_ctrl *)&fakes;
	return 0;
}

void axon_ctrl_destroy(struct axon_card *card)
{
	card->ctrl = NULL;
}

void axon_ctrl_reset(struct axon_card *card)
{
}

void axon_boot(struct axon_card *card)
{
	fakes.boots++;
	card->stage = AXON_STAGE_READY;
}

bool axon_ctrl_run(struct axon_card *card, uint32_t max)
{
	fakes.ctrl_runs++;
	card->mbox_rung = 0;
	return false;
}

uint64_t axon_ctrl_deadline(struct axon_card *card)
{
	return fakes.ctrl_deadline;
}

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

void axon_ctrl_push_fault(struct axon_card *card, const struct axon_fault *fault)
{
	/* Cards of some tests have threads of their own. */
	pthread_mutex_lock(&fault_lock);
	fakes.fault = *fault;
	fakes.faults++;
	pthread_mutex_unlock(&fault_lock);
}

int axon_ctrl_set(struct axon_card *card, enum axon_card_knob knob, int64_t value)
{
	return knob == AXON_KNOB_STALL_FW ? 0 : -EINVAL;
}

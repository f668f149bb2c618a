// SPDX-License-Identifier: MIT
/*
 * batch.c - groups: what a thread calls between axcc_group_start() and axcc_group_end() is kept and
 * done at the end. Operations are handed over one after the other, since they do not block; what
 * blocks (joining a communicator) gets a thread each, so that one thread can join many ranks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FIRST_ROOM	64u

/* A call that was put off. */
struct kept {
	struct cc_call call;
	struct cc_later later;
	uint32_t *targets;
};

/**
 * struct batch - what a thread has put off
 * @depth: groups that are open
 * @kept: operations, @count of them; kept from group to group
 * @room: of @kept
 * @tasks: the rest, newest first
 */
static _Thread_local struct batch {
	uint32_t depth;
	uint32_t count;
	uint32_t room;
	struct kept *kept;
	struct cc_task *tasks;
} batch;

bool cc_batch_open(void)
{
	return batch.depth != 0;
}

AXCC_API void axcc_group_start(void)
{
	batch.depth++;
}

static struct kept *next_kept(void)
{
	uint32_t room = batch.room ? 2 * batch.room : FIRST_ROOM;
	struct kept *kept;

	if (batch.count == batch.room) {
		kept = realloc(batch.kept, room * sizeof(*kept));
		if (!kept)
			return NULL;
		batch.kept = kept;
		batch.room = room;
	}
	return &batch.kept[batch.count];
}

static uint32_t *copy_targets(const uint32_t *targets, uint32_t ranks)
{
	uint32_t *copy = malloc(ranks * sizeof(*copy));

	if (copy)
		memcpy(copy, targets, ranks * sizeof(*copy));
	return copy;
}

int cc_batch_call(struct cc_member *member, const struct cc_call *call, uint64_t *seq)
{
	struct kept *k = next_kept();
	int err;

	if (!k)
		return -ENOMEM;
	*k = (struct kept) { .call = *call };
	if (call->targets) {
		k->targets = copy_targets(call->targets, member->team->ranks);
		if (!k->targets)
			return -ENOMEM;
		k->call.targets = k->targets;
	}
	err = cc_post_later(member, call, &k->later, seq);
	if (err) {
		free(k->targets);
		return err;
	}
	batch.count++;
	return 0;
}

void cc_batch_task(struct cc_task *task)
{
	task->next = batch.tasks;
	batch.tasks = task;
}

int cc_task_begin(struct cc_task *task)
{
	int err = cc_comm_begin(task->comm);

	if (!err && cc_batch_open()) {
		cc_batch_task(task);
		return 0;
	}
	if (!err)
		err = task->run(task);
	free(task);
	return err;
}

static int end_calls(void)
{
	uint32_t i;
	int err, first = 0;

	for (i = 0; i < batch.count; i++) {
		struct kept *k = &batch.kept[i];

		err = cc_post_now(&k->later, &k->call);
		free(k->targets);
		first = first ? first : err;
	}
	batch.count = 0;
	/* A thread that only ever uses small groups allocates once. */
	if (batch.room > FIRST_ROOM) {
		free(batch.kept);
		batch.kept = NULL;
		batch.room = 0;
	}
	return first;
}

static void *task_main(void *arg)
{
	struct cc_task *task = arg;

	task->err = task->run(task);
	return NULL;
}

static int end_tasks(void)
{
	struct cc_task *tasks = batch.tasks;
	struct cc_task *task;
	bool all = true;
	int first = 0;

	batch.tasks = NULL;
	for (task = tasks; task; task = task->next) {
		task->started = !pthread_create(&task->thread, NULL, task_main, task);
		all &= task->started;
	}
	/* The others would wait for one that cannot come. */
	for (task = all ? NULL : tasks; task; task = task->next)
		axcc_comm_abort(task->comm);
	while ((task = tasks)) {
		tasks = task->next;
		if (task->started)
			pthread_join(task->thread, NULL);
		else
			task->err = cc_comm_finish(task->comm, NULL, -EAGAIN, NULL);
		first = first ? first : task->err;
		free(task);
	}
	return first;
}

AXCC_API int axcc_group_end(void)
{
	int tasks, calls;

	if (!batch.depth)
		return -EINVAL;
	if (--batch.depth)
		return 0;
	tasks = end_tasks();
	calls = end_calls();
	return tasks ? tasks : calls;
}

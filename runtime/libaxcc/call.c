// SPDX-License-Identifier: MIT
/*
 * call.c - what a rank calls: is it sound, is it what the others call, and which memory it brings.
 * Nothing is started here.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static bool reduces(uint32_t coll)
{
	return coll == AXCC_ALL_REDUCE || coll == AXCC_REDUCE_SCATTER || coll == AXCC_REDUCE;
}

static bool can_reduce(uint32_t dtype)
{
	return dtype == AXON_DTYPE_FLOAT32 || dtype == AXON_DTYPE_BFLOAT16 ||
		dtype == AXON_DTYPE_FLOAT16 || dtype == AXON_DTYPE_INT32 ||
		dtype == AXON_DTYPE_UINT8;
}

static bool good_targets(const uint32_t *targets, uint32_t ranks)
{
	struct axcc_ranks seen = { { 0 } };
	uint32_t i;

	for (i = 0; i < ranks; i++) {
		if (targets[i] == AXCC_NO_RANK)
			continue;
		if (targets[i] >= ranks || axcc_ranks_has(&seen, targets[i]))
			return false;
		axcc_ranks_add(&seen, targets[i]);
	}
	return true;
}

int cc_call_check(const struct cc_team *team, const struct cc_call *call)
{
	if (call->coll >= AXCC_NUM_COLLS || !axon_dtype_size(call->dtype) ||
	    call->count > AXCC_MAX_COUNT)
		return -EINVAL;
	if (reduces(call->coll) && (call->reduction >= AXCC_NUM_REDUCTIONS ||
				    !can_reduce(call->dtype)))
		return -EINVAL;
	if (call->root >= team->ranks || call->peer >= team->ranks)
		return -EINVAL;
	if (call->coll == AXCC_PERMUTE && (!call->targets ||
					   !good_targets(call->targets, team->ranks)))
		return -EINVAL;
	return 0;
}

void cc_call_request(const struct cc_team *team, const struct cc_call *call,
		     struct axcc_request *req)
{
	*req = (struct axcc_request) {
		.coll = call->coll,
		.reduction = reduces(call->coll) ? call->reduction : 0,
		.dtype = call->dtype,
		.ranks = team->ranks,
		.root = call->root,
		.count = call->count,
		.targets = call->coll == AXCC_PERMUTE ? call->targets : NULL,
	};
}

const char *cc_call_difference(const struct axcc_request *req, const struct cc_call *call)
{
	if (call->coll != req->coll)
		return "operation";
	if (call->count != req->count)
		return "count";
	if (call->dtype != req->dtype)
		return "type";
	if (reduces(call->coll) && call->reduction != req->reduction)
		return "reduction";
	if (call->root != req->root)
		return "root";
	if (req->targets && memcmp(call->targets, req->targets,
				   req->ranks * sizeof(*req->targets)))
		return "targets";
	return NULL;
}

/* Sizes of what @rank brings. A rank that sends or receives is as in the schedule of two. */
static void call_bytes(const struct cc_call *call, uint32_t rank, const struct axcc_request *req,
		       uint64_t *src, uint64_t *dst)
{
	uint64_t bytes = call->count * axon_dtype_size(call->dtype);

	if (!cc_is_pair(call->coll)) {
		axcc_schedule_bytes(req, rank, src, dst);
		return;
	}
	*src = call->coll == AXCC_SEND ? bytes : 0;
	*dst = call->coll == AXCC_RECV ? bytes : 0;
}

static int check_buf(const struct axcc_buf *buf, uint64_t bytes, uint32_t esz)
{
	uint64_t size;

	if (!bytes)
		return 0;
	if (!buf->bo || buf->offset % esz)
		return -EINVAL;
	size = axon_bo_size(buf->bo);
	return buf->offset > size || bytes > size - buf->offset ? -EINVAL : 0;
}

/* *@in_place: they are the same memory, as the operation has it. */
static int check_overlap(const struct axcc_request *req, uint32_t rank, const struct cc_call *call,
			 uint64_t src, uint64_t dst, bool *in_place)
{
	uint64_t s = call->send.offset, d = call->recv.offset;
	uint64_t src_at, dst_at;

	*in_place = false;
	if (!src || !dst || call->send.bo != call->recv.bo)
		return 0;
	axcc_schedule_alias(req, rank, &src_at, &dst_at);
	*in_place = s - src_at == d - dst_at;
	if (*in_place)
		return 0;
	return (s <= d ? d - s < src : s - d < dst) ? -EINVAL : 0;
}

/* Finds buffers with the lock held; a new one needs it open for a moment. */
static int get_buffers(struct cc_member *member, const struct axcc_buf *buf[2],
		       struct cc_buffer *found[2])
{
	struct cc_team *team = member->team;
	uint32_t i = 0;
	int err;

	pthread_mutex_lock(&team->lock);
	while (i < 2) {
		found[i] = buf[i] ? cc_buffer_find(team, buf[i]->bo) : NULL;
		if (!buf[i] || found[i]) {
			if (found[i] && found[i]->dev != member->dev)
				goto foreign;
			i++;
			continue;
		}
		pthread_mutex_unlock(&team->lock);
		err = cc_buffer_add(member, buf[i]->bo);
		if (err)
			return err;
		pthread_mutex_lock(&team->lock);
		i = 0;
	}
	return 0;
foreign:
	pthread_mutex_unlock(&team->lock);
	return -EINVAL;
}

int cc_call_part(struct cc_member *member, const struct cc_call *call, struct cc_part *part,
		 bool *in_place)
{
	uint32_t esz = axon_dtype_size(call->dtype);
	struct cc_buffer *found[2];
	const struct axcc_buf *buf[2];
	struct axcc_request req;
	uint64_t src, dst;
	int err;

	cc_call_request(member->team, call, &req);
	call_bytes(call, member->rank, &req, &src, &dst);
	err = check_buf(&call->send, src, esz);
	if (!err)
		err = check_buf(&call->recv, dst, esz);
	if (!err)
		err = check_overlap(&req, member->rank, call, src, dst, in_place);
	if (err)
		return err;
	buf[0] = src ? &call->send : NULL;
	buf[1] = dst ? &call->recv : NULL;
	err = get_buffers(member, buf, found);
	if (err)
		return err;
	*part = (struct cc_part) {
		.src = found[0],
		.dst = found[1],
		.src_offset = src ? call->send.offset : 0,
		.dst_offset = dst ? call->recv.offset : 0,
	};
	return 0;
}

void cc_part_hold(const struct cc_part *part)
{
	if (part->src)
		part->src->refs++;
	if (part->dst)
		part->dst->refs++;
}

void cc_part_put(struct cc_part *part)
{
	cc_buffer_put(part->src);
	cc_buffer_put(part->dst);
	*part = (struct cc_part) { 0 };
}

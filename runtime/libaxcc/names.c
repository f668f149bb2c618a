// SPDX-License-Identifier: MIT
/*
 * names.c - the library's version, and the names of operations and reductions. Nothing else: it
 * must not know of cards.
 */
#include "axcc/axcc.h"
#include "internal.h"

static const char *const coll_names[AXCC_NUM_COLLS] = {
	[AXCC_ALL_REDUCE] = "all_reduce",
	[AXCC_ALL_GATHER] = "all_gather",
	[AXCC_REDUCE_SCATTER] = "reduce_scatter",
	[AXCC_ALL_TO_ALL] = "all_to_all",
	[AXCC_BROADCAST] = "broadcast",
	[AXCC_REDUCE] = "reduce",
	[AXCC_PERMUTE] = "permute",
	[AXCC_SEND] = "send",
	[AXCC_RECV] = "recv",
	[AXCC_BARRIER] = "barrier",
};

static const char *const reduction_names[AXCC_NUM_REDUCTIONS] = {
	[AXCC_SUM] = "sum",
	[AXCC_MAX] = "max",
	[AXCC_MIN] = "min",
};

AXCC_API uint32_t axcc_version(void)
{
	return AXCC_VERSION_MAJOR << 16 | AXCC_VERSION_MINOR << 8 | AXCC_VERSION_PATCH;
}

AXCC_API const char *axcc_coll_str(enum axcc_coll coll)
{
	return (uint32_t)coll < AXCC_NUM_COLLS ? coll_names[coll] : "unknown";
}

AXCC_API const char *axcc_reduction_str(enum axcc_reduction reduction)
{
	return (uint32_t)reduction < AXCC_NUM_REDUCTIONS ? reduction_names[reduction] : "unknown";
}

/* SPDX-License-Identifier: MIT */
/*
 * nrt_status.h - how calls of the nrt API end. Values are those of the published interface.
 * Which of them libnrt returns when: libnrt(7).
 */
#ifndef NRT_STATUS_H
#define NRT_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
	NRT_SUCCESS = 0,
	NRT_FAILURE = 1,			/* nothing more specific fits */
	NRT_INVALID = 2,			/* bad executable, name, size or argument */
	NRT_INVALID_HANDLE = 3,
	NRT_RESOURCE = 4,			/* memory or another resource is used up */
	NRT_TIMEOUT = 5,
	NRT_HW_ERROR = 6,
	NRT_QUEUE_FULL = 7,			/* wait for a completion, then try again */
	NRT_LOAD_NOT_ENOUGH_NC = 9,		/* the executable wants more cores */
	NRT_UNSUPPORTED_NEFF_VERSION = 10,
	NRT_FAIL_HOST_MEM_ALLOC = 11,		/* legacy, never returned */
	NRT_UNINITIALIZED = 13,			/* before nrt_init() */
	NRT_CLOSED = 14,			/* after nrt_close() */
	NRT_QUEUE_EMPTY = 15,

	NRT_EXEC_UNIT_UNRECOVERABLE = 101,	/* the core's context is dead */

	NRT_EXEC_BAD_INPUT = 1002,
	NRT_EXEC_COMPLETED_WITH_NUM_ERR = 1003,
	NRT_EXEC_COMPLETED_WITH_ERR = 1004,
	NRT_EXEC_NC_BUSY = 1005,
	NRT_EXEC_OOB = 1006,			/* access out of bounds */

	NRT_COLL_PENDING = 1100,

	NRT_EXEC_HW_ERR_COLLECTIVES = 1200,
	NRT_EXEC_HW_ERR_HBM_UE = 1201,
	NRT_EXEC_HW_ERR_NC_UE = 1202,
	NRT_EXEC_HW_ERR_DMA_ABORT = 1203,
	NRT_EXEC_SW_NQ_OVERFLOW = 1204,
	NRT_EXEC_HW_ERR_REPAIRABLE_HBM_UE = 1205,
	NRT_NETWORK_PROXY_FAILURE = 1206,
} NRT_STATUS;

/**
 * nrt_get_status_as_str() - name of a status
 *
 * Return: a constant string, never NULL; "NRT_UNKNOWN" for a number that is none.
 */
const char *nrt_get_status_as_str(NRT_STATUS status);

#ifdef __cplusplus
}
#endif

#endif /* NRT_STATUS_H */

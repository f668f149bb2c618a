/* SPDX-License-Identifier: MIT */
/*
 * net_library.h - libfabric, loaded when the first endpoint is opened.
 *
 * Its other calls are inline and go through what fi_fabric() returns.
 */
#ifndef AXON_LIBAXCC_NET_LIBRARY_H
#define AXON_LIBAXCC_NET_LIBRARY_H

#include <rdma/fabric.h>

struct cc_net_library {
	int (*getinfo)(uint32_t version, const char *node, const char *service, uint64_t flags,
		       const struct fi_info *hints, struct fi_info **info);
	void (*freeinfo)(struct fi_info *info);
	struct fi_info *(*dupinfo)(const struct fi_info *info);
	int (*fabric)(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context);
};

/* Return: the library, which stays loaded, or NULL if there is none (-ELIBACC). */
const struct cc_net_library *cc_net_library(void);

/* Return: why there is none, for people. */
const char *cc_net_library_problem(void);

#endif /* AXON_LIBAXCC_NET_LIBRARY_H */

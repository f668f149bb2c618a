/* SPDX-License-Identifier: MIT */
/*
 * net.h - the network between the processes of a team: messages of any size by libfabric, and flows
 * of data from a card's memory to that of another.
 */
#ifndef AXON_LIBAXCC_NET_H
#define AXON_LIBAXCC_NET_H

#include <rdma/fabric.h>

#include "remote.h"

struct cc_net;

/**
 * struct cc_net_io - a message under way; not to be touched before @done
 * @context: libfabric's
 * @done: it has ended
 * @err: 0 or negative errno
 */
struct cc_net_io {
	struct fi_context2 context;
	bool done;
	int err;
};

/* Memory that messages lie in, registered once. */
struct cc_net_memory;

/*
 * Opens an endpoint on the interface with the address @own; @name is what others reach it by. A net
 * is used by one thread, but for cc_net_wake().
 */
int cc_net_open(const struct cc_address *own, struct cc_net **net, struct cc_net_name *name);
int cc_net_connect(struct cc_net *net, const struct cc_net_name *name, uint32_t procs);
/* No message is touched any more; memory can be given back then. */
void cc_net_stop(struct cc_net *net);
void cc_net_close(struct cc_net *net);
/* Ends a wait, now or the next one. */
void cc_net_wake(struct cc_net *net);
int cc_net_register(struct cc_net *net, void *ptr, size_t size, struct cc_net_memory **memory);
void cc_net_unregister(struct cc_net_memory *memory);
/* Return: 0, -EAGAIN (poll first), or an error. Messages of one tag arrive in order. */
int cc_net_send(struct cc_net *net, uint32_t proc, uint64_t tag, const void *ptr, size_t size,
		struct cc_net_memory *memory, struct cc_net_io *io);
int cc_net_recv(struct cc_net *net, uint32_t proc, uint64_t tag, void *ptr, size_t size,
		struct cc_net_memory *memory, struct cc_net_io *io);
/* Looks for messages that have ended; waits at most @ms for one. Return: 0 or an error. */
int cc_net_poll(struct cc_net *net, int ms);

#endif /* AXON_LIBAXCC_NET_H */

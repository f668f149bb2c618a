// SPDX-License-Identifier: MIT
/*
 * net.c - libfabric: one reliable endpoint a process, tagged messages, one completion queue that
 * can be slept on. Which provider carries them is libfabric's and the user's choice (FI_PROVIDER);
 * nothing here depends on it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "net_library.h"

#define API		FI_VERSION(1, 9)
#define BATCH		16u
#define EFA		"efa"	/* addresses of its own, and progress only when it is asked */

/*
 * In this order, if FI_PROVIDER leaves them. libfabric 1.17 has TCP twice: "net" is what "tcp" is
 * since 1.18; "tcp" is connections with ofi_rxm above them, which believes that every message that
 * fails has a context. The answer to a read has none, so it crashes when a peer is cut off in the
 * middle of a long message.
 */
static const char *const providers[] = { EFA, "net", "tcp" };

/**
 * struct cc_net - an endpoint and all it needs
 * @library: libfabric
 * @info: what was chosen
 * @peer: addresses by process
 * @local_mr: messages must lie in registered memory
 */
struct cc_net {
	const struct cc_net_library *library;
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	fi_addr_t *peer;
	bool local_mr;
	uint64_t next_key;
};

struct cc_net_memory {
	struct fid_mr *mr;
};

/* libfabric's own errors have no errno. */
static int error_of(int err)
{
	return err > -FI_ERRNO_OFFSET ? err : -EIO;
}

/* ---- opening ---- */

static struct fi_info *make_hints(const struct cc_net_library *library, const char *provider)
{
	struct fi_info *hints = library->dupinfo(NULL);	/* is fi_allocinfo() */

	if (!hints)
		return NULL;
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_TAGGED;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->tx_attr->msg_order = hints->rx_attr->msg_order = FI_ORDER_SAS;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED |
		FI_MR_PROV_KEY;
	hints->domain_attr->threading = FI_THREAD_SAFE;
	/* The worker sleeps when it has nothing to do, whatever the endpoint holds back still. */
	if (provider && strcmp(provider, EFA))
		hints->domain_attr->data_progress = FI_PROGRESS_AUTO;
	if (provider)
		hints->fabric_attr->prov_name = strdup(provider);
	if (provider && !hints->fabric_attr->prov_name) {
		library->freeinfo(hints);
		return NULL;
	}
	return hints;
}

static int ask(const struct cc_net_library *library, const char *provider, const char *ip,
	       struct fi_info **info)
{
	struct fi_info *hints = make_hints(library, provider);
	int err;

	if (!hints)
		return -ENOMEM;
	err = library->getinfo(API, ip, NULL, FI_SOURCE, hints, info);
	/* It does not know the interface's. */
	if (err == -FI_ENODATA && provider && !strcmp(provider, EFA))
		err = library->getinfo(API, NULL, NULL, 0, hints, info);
	library->freeinfo(hints);
	return error_of(err);
}

static int choose(const struct cc_net_library *library, const struct cc_address *own,
		  struct fi_info **info)
{
	char ip[INET6_ADDRSTRLEN];
	size_t i;
	int err = -ENODATA;

	if (!inet_ntop(own->family, own->ip, ip, sizeof(ip)))
		return -errno;
	for (i = 0; i < sizeof(providers) / sizeof(providers[0]) && err; i++)
		err = ask(library, providers[i], ip, info);
	/* None of those that the user wants: then what he wants. */
	if (err && getenv("FI_PROVIDER"))
		err = ask(library, NULL, ip, info);
	/* Its completion queues are polled, also in fi_cq_sread(), and it takes the signals. */
	if (!err && !strcmp((*info)->fabric_attr->prov_name, "shm"))
		return -EPROTONOSUPPORT;
	return err;
}

static int open_all(struct cc_net *net)
{
	struct fi_cq_attr cq_attr = { .format = FI_CQ_FORMAT_CONTEXT, .wait_obj = FI_WAIT_UNSPEC };
	struct fi_av_attr av_attr = { .type = FI_AV_TABLE };
	int err;

	err = net->library->fabric(net->info->fabric_attr, &net->fabric, NULL);
	if (!err)
		err = fi_domain(net->fabric, net->info, &net->domain, NULL);
	if (!err)
		err = fi_av_open(net->domain, &av_attr, &net->av, NULL);
	if (!err)
		err = fi_cq_open(net->domain, &cq_attr, &net->cq, NULL);
	if (!err)
		err = fi_endpoint(net->domain, net->info, &net->ep, NULL);
	if (!err)
		err = fi_ep_bind(net->ep, &net->av->fid, 0);
	if (!err)
		err = fi_ep_bind(net->ep, &net->cq->fid, FI_TRANSMIT | FI_RECV);
	if (!err)
		err = fi_enable(net->ep);
	net->local_mr = net->info->domain_attr->mr_mode & FI_MR_LOCAL;
	return error_of(err);
}

int cc_net_open(const struct cc_address *own, struct cc_net **out, struct cc_net_name *name)
{
	struct cc_net *net = calloc(1, sizeof(*net));
	size_t length = CC_NET_NAME;
	int err;

	if (!net)
		return -ENOMEM;
	net->library = cc_net_library();
	err = net->library ? choose(net->library, own, &net->info) : -ELIBACC;
	if (!err)
		err = open_all(net);
	if (!err)
		err = error_of(fi_getname(&net->ep->fid, name->bytes, &length));
	if (err) {
		cc_net_close(net);
		return err;
	}
	name->length = (uint32_t)length;
	*out = net;
	return 0;
}

int cc_net_connect(struct cc_net *net, const struct cc_net_name *name, uint32_t procs)
{
	uint32_t i;

	net->peer = calloc(procs, sizeof(*net->peer));
	if (!net->peer)
		return -ENOMEM;
	for (i = 0; i < procs; i++) {
		if (name[i].length > CC_NET_NAME)
			return -EPROTO;
		if (fi_av_insert(net->av, name[i].bytes, 1, &net->peer[i], 0, NULL) != 1)
			return -EHOSTUNREACH;
	}
	return 0;
}

static void close_fid(struct fid *fid)
{
	if (fid)
		fi_close(fid);
}

void cc_net_stop(struct cc_net *net)
{
	close_fid(net->ep ? &net->ep->fid : NULL);
	net->ep = NULL;
}

void cc_net_close(struct cc_net *net)
{
	if (!net)
		return;
	cc_net_stop(net);
	close_fid(net->cq ? &net->cq->fid : NULL);
	close_fid(net->av ? &net->av->fid : NULL);
	close_fid(net->domain ? &net->domain->fid : NULL);
	close_fid(net->fabric ? &net->fabric->fid : NULL);
	if (net->info)
		net->library->freeinfo(net->info);
	free(net->peer);
	free(net);
}

void cc_net_wake(struct cc_net *net)
{
	/* A provider that cannot be woken looks again by itself (cc_net_poll()'s limit). */
	fi_cq_signal(net->cq);
}

/* ---- memory ---- */

int cc_net_register(struct cc_net *net, void *ptr, size_t size, struct cc_net_memory **out)
{
	struct cc_net_memory *m = calloc(1, sizeof(*m));
	int err = 0;

	if (!m)
		return -ENOMEM;
	if (net->local_mr)
		err = error_of(fi_mr_reg(net->domain, ptr, size, FI_SEND | FI_RECV, 0,
					 ++net->next_key, 0, &m->mr, NULL));
	if (err) {
		free(m);
		return err;
	}
	*out = m;
	return 0;
}

void cc_net_unregister(struct cc_net_memory *memory)
{
	if (!memory)
		return;
	close_fid(memory->mr ? &memory->mr->fid : NULL);
	free(memory);
}

/* ---- messages ---- */

static void *desc_of(const struct cc_net_memory *memory)
{
	return memory && memory->mr ? fi_mr_desc(memory->mr) : NULL;
}

int cc_net_send(struct cc_net *net, uint32_t proc, uint64_t tag, const void *ptr, size_t size,
		struct cc_net_memory *memory, struct cc_net_io *io)
{
	io->done = false;
	io->err = 0;
	return error_of((int)fi_tsend(net->ep, ptr, size, desc_of(memory), net->peer[proc], tag,
				      &io->context));
}

int cc_net_recv(struct cc_net *net, uint32_t proc, uint64_t tag, void *ptr, size_t size,
		struct cc_net_memory *memory, struct cc_net_io *io)
{
	io->done = false;
	io->err = 0;
	return error_of((int)fi_trecv(net->ep, ptr, size, desc_of(memory), net->peer[proc], tag, 0,
				      &io->context));
}

static void ended(void *context, int err)
{
	/* The context is the first member. */
	struct cc_net_io *io = context;

	if (!io)
		return;
	io->err = err;
	io->done = true;
}

static int read_error(struct cc_net *net)
{
	struct fi_cq_err_entry entry = { 0 };
	ssize_t n = fi_cq_readerr(net->cq, &entry, 0);

	if (n < 0)
		return n == -FI_EAGAIN ? 0 : error_of((int)n);
	ended(entry.op_context, error_of(-entry.err));
	return 0;
}

int cc_net_poll(struct cc_net *net, int ms)
{
	struct fi_cq_entry entry[BATCH];
	ssize_t n, i;

	n = ms ? fi_cq_sread(net->cq, entry, BATCH, NULL, ms) : fi_cq_read(net->cq, entry, BATCH);
	if (n == -FI_EAVAIL)
		return read_error(net);
	if (n == -FI_EAGAIN || n == -FI_EINTR || n == -FI_ECANCELED)
		return 0;
	if (n < 0)
		return error_of((int)n);
	for (i = 0; i < n; i++)
		ended(entry[i].op_context, 0);
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * soft_share.c - buffers of soft cards as file descriptors, and what other cards make of them.
 *
 * A descriptor is one end of a pair of sockets. A message waits in it that says which buffer it
 * stands for, and is only ever looked at, never taken; when the last copy of that end has been
 * closed, the other end, kept here, hangs up: so a descriptor keeps the memory alive, as a dma-buf
 * does, and nobody has to say when it is closed. Nothing of it works in another process.
 *
 * Memory that was exported is a share. Descriptors and the buffers that other cards made of it hold
 * the share, the share holds the exporter's buffer. Whoever lets go of it last may not touch the
 * exporter's card (soft.h, locks): he sets soft_card.returned, and the card takes it back when it
 * is locked next.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "soft.h"

#define MAGIC		0x2d6f622d74666f73ull	/* "soft-bo-" */
#define POLL_BATCH	64u

/* The message in a descriptor. */
struct wire {
	uint64_t magic;
	uint64_t nonce;
	uint64_t token;
	uint64_t pid;
};

/**
 * struct soft_share - memory that was exported; guarded by soft_all.lock
 * @refs: tokens and buffers imported by other cards; with 0 it goes back to @card
 * @card: whose memory it is; NULL: that card is gone, and only imported buffers are left
 * @gone: that card is going; set before importers are told, read with a card's run held (atomic)
 * @bo: the buffer there, of which it holds a reference; NULL with @card
 * @region: of @bo
 * @flags: same
 * @place: of @card
 * @addr: HBM: offset in it
 * @size: same
 * @fabric: of @card; only ever compared
 * @pages: HOST: its memory, of which it holds a reference
 * @next: in soft_all.shares
 */
struct soft_share {
	unsigned int refs;
	struct soft_card *card;
	atomic_bool gone;
	struct soft_bo *bo;
	uint32_t region;
	uint32_t flags;
	uint32_t place;
	uint64_t addr;
	uint64_t size;
	struct axon_fabric *fabric;
	struct soft_pages *pages;
	struct soft_share *next;
};

/* A descriptor; guarded by soft_all.lock. */
struct soft_token {
	uint64_t id;
	int kept;
	struct soft_share *share;
	struct soft_token *next;
};

/* ---- shares; soft_all.lock is held ---- */

static void share_free(struct soft_all *all, struct soft_share *share)
{
	struct soft_share **link = &all->shares;

	while (*link != share)
		link = &(*link)->next;
	*link = share->next;
	if (share->pages)
		soft_pages_put(share->pages);
	free(share);
}

static void share_put(struct soft_all *all, struct soft_share *share)
{
	if (--share->refs)
		return;
	if (share->card)
		atomic_store(&share->card->returned, true);
	else
		share_free(all, share);
}

/* Takes the exporter's buffer from a share, which nobody needs any more if nobody holds it. */
static struct soft_bo *share_strip(struct soft_all *all, struct soft_share *share)
{
	struct soft_bo *bo = share->bo;

	share->card = NULL;
	share->bo = NULL;
	if (!share->refs)
		share_free(all, share);
	return bo;
}

static void token_free(struct soft_all *all, struct soft_token *token)
{
	close(token->kept);
	share_put(all, token->share);
	free(token);
}

/* ---- the end of shares ---- */

/* Looks at some tokens from @link on. Return: where the next ones start, NULL at the end. */
static struct soft_token **sweep_batch(struct soft_all *all, struct soft_token **link)
{
	struct pollfd fds[POLL_BATCH];
	struct soft_token *t;
	unsigned int n = 0;
	unsigned int i;

	for (t = *link; t && n < POLL_BATCH; t = t->next)
		fds[n++] = (struct pollfd) { .fd = t->kept };
	/* It fails for want of memory only; the next sweep finds what this one does not. */
	if (!n || poll(fds, n, 0) < 0)
		return NULL;
	for (i = 0; i < n; i++) {
		t = *link;
		if (fds[i].revents & POLLHUP) {
			*link = t->next;
			token_free(all, t);
		} else {
			link = &t->next;
		}
	}
	return link;
}

void soft_share_sweep(void)
{
	struct soft_all *all = soft_all_lock();
	struct soft_token **link = &all->tokens;

	while (link)
		link = sweep_batch(all, link);
	soft_all_unlock(all);
}

/* The buffer of a share of @card, which then has lost it: of one nobody holds, or of any. */
static struct soft_bo *take_back(struct soft_card *card, bool any)
{
	struct soft_all *all = soft_all_lock();
	struct soft_bo *bo = NULL;
	struct soft_share *share;

	for (share = all->shares; share && !bo; share = share->next)
		if (share->card == card && (any || !share->refs)) {
			bo = share_strip(all, share);
			break;
		}
	soft_all_unlock(all);
	return bo;
}

void soft_share_reap(struct soft_card *card)
{
	struct soft_bo *bo;

	/* Before the look: what comes back after it sets it again. */
	atomic_store(&card->returned, false);
	while ((bo = take_back(card, false))) {
		bo->share = NULL;
		soft_bo_put(card, bo);
	}
}

/* Return: true if other cards use memory of the card. */
static bool drop_tokens(struct soft_card *card)
{
	struct soft_all *all = soft_all_lock();
	struct soft_token **link = &all->tokens;
	struct soft_share *share;
	bool used = false;

	while (*link) {
		struct soft_token *t = *link;

		if (t->share->card == card) {
			*link = t->next;
			token_free(all, t);
		} else {
			link = &t->next;
		}
	}
	for (share = all->shares; share; share = share->next)
		if (share->card == card) {
			atomic_store(&share->gone, true);
			used |= share->refs && share->region == DRM_AXON_REGION_HBM;
		}
	soft_all_unlock(all);
	return used;
}

static void cut_imports(struct soft_card *other)
{
	struct soft_bo *bo;
	int err = 0;

	soft_lock(other);
	for (bo = other->imports; bo; bo = bo->next)
		if (bo->base.region == DRM_AXON_REGION_LINK && !bo->cut &&
		    atomic_load(&bo->from->gone))
			err |= soft_bo_cut(other, bo);
	/* A card that does not answer may still know the addresses. */
	if (err)
		soft_card_recover(other);
	soft_unlock(other);
}

void soft_share_cut(struct soft_card *card)
{
	struct soft_card *other;
	uint32_t p;

	if (!drop_tokens(card))
		return;
	for (p = 0; p < AXON_MAX_PEERS; p++) {
		other = soft_pin(card, p);
		if (!other)
			continue;
		cut_imports(other);
		soft_unpin(p);
	}
}

void soft_share_card_gone(struct soft_card *card)
{
	struct soft_bo *bo;

	while ((bo = take_back(card, true))) {
		bo->share = NULL;
		soft_bo_put(card, bo);
	}
}

void soft_share_drop(struct soft_card *card, struct soft_bo *bo)
{
	struct soft_bo **link = &card->imports;
	struct soft_all *all;

	while (*link != bo)
		link = &(*link)->next;
	*link = bo->next;
	all = soft_all_lock();
	share_put(all, bo->from);
	soft_all_unlock(all);
}

/* ---- export ---- */

/* What @bo was exported as, made if need be. soft_card.run is held. */
static struct soft_share *get_share(struct soft_card *card, struct soft_bo *bo)
{
	struct soft_share *share = bo->share;
	struct soft_all *all;

	if (!share) {
		share = calloc(1, sizeof(*share));
		if (!share)
			return NULL;
		share->card = card;
		share->bo = bo;
		share->region = bo->base.region;
		share->flags = bo->base.flags;
		share->place = card->place;
		share->fabric = card->fabric;
		share->addr = bo->addr;
		share->size = bo->base.size;
		share->pages = bo->pages;
		if (share->pages)
			atomic_fetch_add_explicit(&share->pages->refs, 1, memory_order_relaxed);
	}
	all = soft_all_lock();
	share->refs++;
	if (!bo->share) {
		share->next = all->shares;
		all->shares = share;
		bo->share = share;
		bo->refs++;
	}
	soft_all_unlock(all);
	return share;
}

/* A descriptor for a share that the caller holds; on success that hold is the token's. */
static int make_token(struct soft_share *share, int *fd)
{
	struct soft_token *token = calloc(1, sizeof(*token));
	struct wire wire = { .magic = MAGIC, .pid = (uint64_t)getpid() };
	struct soft_all *all;
	int ends[2];
	int err = 0;

	if (!token)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		err = -errno;
		free(token);
		return err;
	}
	all = soft_all_lock();
	wire.nonce = all->nonce;
	wire.token = ++all->last_token;
	if (send(ends[0], &wire, sizeof(wire), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(wire)) {
		*token = (struct soft_token) { wire.token, ends[0], share, all->tokens };
		all->tokens = token;
	} else {
		err = -ENOMEM;
	}
	soft_all_unlock(all);
	if (err) {
		close(ends[0]);
		close(ends[1]);
		free(token);
		return err;
	}
	*fd = ends[1];
	return 0;
}

int soft_share_export(struct soft_card *card, struct soft_bo *bo, int *fd)
{
	struct soft_share *share;
	struct soft_all *all;
	int err;

	if (bo->vm || bo->base.region == DRM_AXON_REGION_LINK)
		return -EPERM;
	share = get_share(card, bo);
	if (!share)
		return -ENOMEM;
	err = make_token(share, fd);
	if (err) {
		all = soft_all_lock();
		share_put(all, share);
		soft_all_unlock(all);
	}
	return err;
}

/* ---- import ---- */

static int read_wire(int fd, struct wire *wire)
{
	ssize_t n = recv(fd, wire, sizeof(*wire), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && errno == EBADF)
		return -EBADF;
	return n == sizeof(*wire) && wire->magic == MAGIC ? 0 : -EINVAL;
}

/* Holds the share behind a message; @own: the one of a buffer of @card itself. */
static int find_share(struct soft_card *card, int fd, const struct wire *wire,
		      struct soft_share **share, bool *own)
{
	struct soft_all *all = soft_all_lock();
	bool ours = wire->nonce == all->nonce && wire->pid == (uint64_t)getpid();
	struct soft_token *t = ours ? all->tokens : NULL;

	while (t && t->id != wire->token)
		t = t->next;
	if (t) {
		*share = t->share;
		*own = t->share->card == card;
		t->share->refs++;
	}
	soft_all_unlock(all);
	if (t)
		return 0;
	axon_dev_log(&card->base, AXON_LOG_ERROR, ours ?
		     "%s: descriptor %d: the soft card whose buffer it was is closed" :
		     "%s: descriptor %d: a buffer of a soft card cannot leave its process (%llu)",
		     card->base.path, fd, (unsigned long long)wire->pid);
	return ours ? -ENOLINK : -EOPNOTSUPP;
}

static void make_link(const struct soft_share *share, struct soft_bo *bo)
{
	bo->base.size = share->size;
	bo->base.region = DRM_AXON_REGION_LINK;
	bo->refs = 1;
	bo->addr = share->addr;
	bo->peer = share->place;
}

/* A buffer of @card for memory of another card; on success it has the caller's hold. */
static int import_new(struct soft_card *card, struct soft_share *share, struct soft_bo **out)
{
	bool host = share->region == DRM_AXON_REGION_HOST;
	struct soft_bo *bo;
	int err = 0;

	if (!host && (!card->fabric || card->fabric != share->fabric))
		return -EXDEV;
	/* Who cuts the mappings of memory that goes has said so before he looks at this card. */
	if (atomic_load(&share->gone))
		return -ENOLINK;
	bo = calloc(1, sizeof(*bo));
	if (!bo)
		return -ENOMEM;
	bo->base.dev = &card->base;
	if (host)
		err = soft_bo_wrap(card, share->pages, bo);
	else
		make_link(share, bo);
	if (err) {
		free(bo);
		return err;
	}
	bo->base.flags = host ? share->flags : 0;
	bo->handle = ++card->next_handle;
	bo->from = share;
	bo->next = card->imports;
	card->imports = bo;
	*out = bo;
	return 0;
}

/* soft_card.run is held. Return: 1 if the new buffer has the caller's hold of the share. */
static int import_locked(struct soft_card *card, struct soft_share *share, bool own,
			 struct soft_bo **bo)
{
	int err;

	*bo = own ? share->bo : card->imports;
	while (!own && *bo && (*bo)->from != share)
		*bo = (*bo)->next;
	if (*bo) {
		(*bo)->refs++;
		return 0;
	}
	err = import_new(card, share, bo);
	return err ? err : 1;
}

int soft_share_import(struct soft_card *card, int fd, struct soft_bo **bo)
{
	struct soft_share *share;
	struct soft_all *all;
	struct wire wire;
	bool own = false;
	int err;

	err = read_wire(fd, &wire);
	if (!err)
		err = find_share(card, fd, &wire, &share, &own);
	if (err)
		return err;
	soft_lock(card);
	err = import_locked(card, share, own, bo);
	soft_unlock(card);
	if (err == 1)
		return 0;
	all = soft_all_lock();
	share_put(all, share);
	soft_all_unlock(all);
	return err;
}

// SPDX-License-Identifier: MIT
/*
 * guest.c - connections to a process that is part of a team already: a survivor that wants to
 * shrink, or a stranger. Who says nothing in time is hung up on, before that the one who has been
 * here for longest when there is no room for another. Nothing here may wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "regroup.h"

#define GUEST_ROOM	(sizeof(struct cc_wire_head) + sizeof(struct cc_call_together))
#define GUEST_NS	(5 * CC_SECOND)	/* for a connection to say what it wants */
#define DEAF_NS		(100 * CC_MS)	/* between attempts without a descriptor */

void cc_guest_drop(struct cc_remote *r, uint32_t index, bool hang_up)
{
	if (hang_up)
		close(r->guest[index].fd);
	free(r->guest[index].in);
	/* The oldest stays first. */
	memmove(&r->guest[index], &r->guest[index + 1],
		(--r->guests - index) * sizeof(*r->guest));
}

uint64_t cc_guests_look(struct cc_remote *r, uint64_t now)
{
	while (r->guests && now >= r->guest[0].since_ns + GUEST_NS)
		cc_guest_drop(r, 0, true);
	if (now < r->deaf_ns)
		return r->deaf_ns;
	return r->guests ? r->guest[0].since_ns + GUEST_NS : CC_NEVER;
}

void cc_guest_take(struct cc_remote *r)
{
	int fd = accept4(r->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct cc_guest guest = { .fd = fd, .since_ns = cc_now_ns() };

	if (fd < 0 && !cc_address_full(errno))
		return;
	if (r->guests && (fd < 0 || r->guests == CC_MAX_GUESTS))
		cc_guest_drop(r, 0, true);
	else if (fd < 0)
		/* It would be tried again at once. */
		r->deaf_ns = guest.since_ns + DEAF_NS;
	if (fd < 0)
		return;
	guest.in = malloc(GUEST_ROOM);
	if (!guest.in) {
		close(fd);
		return;
	}
	r->guest[r->guests++] = guest;
}

/* Strangers are hung up on. */
void cc_guest_read(struct cc_team *team, uint32_t index)
{
	struct cc_remote *r = team->remote;
	struct cc_guest *g = &r->guest[index];
	struct cc_wire_head head;
	ssize_t n = recv(g->fd, g->in + g->got, GUEST_ROOM - g->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	g->got += n > 0 ? (uint32_t)n : 0;
	memcpy(&head, g->in, sizeof(head));
	if (n <= 0 || (g->got >= sizeof(head) &&
		       (cc_wire_head_check(&head) || head.type != CC_WIRE_SHRINK ||
			head.length != sizeof(struct cc_call_together)))) {
		cc_guest_drop(r, index, true);
		return;
	}
	if (g->got < GUEST_ROOM)
		return;
	cc_guest_drop(r, index, !cc_gather_ask(team, g->fd, g->in + sizeof(head), head.length));
}

// SPDX-License-Identifier: MIT
/*
 * root.c - the place where the ranks of one communicator meet: a thread that collects who they are
 * and tells everybody when all have come. It serves one meeting, trusts nobody who does not know
 * the key, and sleeps whenever it waits. A connection that does not say in time who it is, or is
 * the oldest of those that have not when there is no room for another, is hung up on.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meet.h"

#define MAX_GUESTS	(2 * AXCC_MAX_RANKS)	/* strangers included */
#define SEND_NS		(5 * CC_SECOND)		/* for a rank to take a message */
#define HELLO_NS	(5 * CC_SECOND)		/* for a connection to say who it is */

/**
 * struct guest - a connection
 * @fd: it
 * @since_ns: when it was taken
 * @got: bytes of @in that have come
 * @met: it is rank @rank; else a stranger
 * @in: the message that comes
 */
struct guest {
	int fd;
	uint64_t since_ns;
	uint32_t got;
	bool met;
	uint32_t rank;
	struct cc_hello hello;
	struct {
		struct cc_wire_head head;
		union {
			struct cc_hello hello;
			struct cc_blame blame;
		};
	} in;
};

/**
 * struct axcc_root - a meeting; used by its thread only, but for @wake
 * @thread: serves it
 * @listen: where ranks connect
 * @wake: readable: end
 * @id: what ranks must know
 * @ranks: as the first one said; 0 before
 * @came: who is there
 * @count: how many
 * @over: error not 0: why it failed; told to whoever comes
 * @guest: connections
 * @guests: how many
 */
struct axcc_root {
	pthread_t thread;
	int listen;
	int wake;
	struct cc_id id;
	uint32_t ranks;
	struct axcc_ranks came;
	uint32_t count;
	struct cc_blame over;
	struct guest *guest[MAX_GUESTS];
	uint32_t guests;
};

static void drop_guest(struct axcc_root *root, uint32_t index)
{
	close(root->guest[index]->fd);
	free(root->guest[index]);
	root->guest[index] = root->guest[--root->guests];
}

static void tell(struct axcc_root *root, struct guest *guest, uint16_t type, const void *data,
		 size_t length)
{
	struct cc_limit limit = { cc_now_ns() + SEND_NS, -1 };

	/*
	 * A rank that does not take it has a deadline of its own. Who destroys the root waits for
	 * the table to be given: his own rank may have been told first.
	 */
	cc_wire_send(guest->fd, type, data, (uint32_t)length, &limit);
}

static void tell_met(struct axcc_root *root, uint16_t type, const void *data, size_t length)
{
	uint32_t i;

	for (i = 0; i < root->guests; i++)
		if (root->guest[i]->met)
			tell(root, root->guest[i], type, data, length);
}

/* The meeting has failed, for all. */
static void call_off(struct axcc_root *root, const struct cc_blame *blame)
{
	if (root->over.error)
		return;
	root->over = *blame;
	tell_met(root, CC_WIRE_REFUSE, blame, sizeof(*blame));
}

static void refuse(struct axcc_root *root, struct guest *guest, uint32_t kind, int error,
		   const char *detail)
{
	struct cc_blame blame = {
		.kind = kind,
		.error = error,
		.rank = guest->rank,
		.coll = AXCC_NUM_COLLS,
	};

	snprintf(blame.detail, sizeof(blame.detail), "%s", detail);
	call_off(root, &blame);
}

static void give_table(struct axcc_root *root)
{
	size_t size = sizeof(struct cc_table) + root->ranks * sizeof(struct cc_hello);
	struct cc_table *table = calloc(1, size);
	uint32_t i;

	if (!table)
		return;
	table->ranks = root->ranks;
	memcpy(&table->session, root->id.key, sizeof(table->session));
	table->session ^= cc_now_ns();
	for (i = 0; i < root->guests; i++)
		if (root->guest[i]->met)
			table->rank[root->guest[i]->rank] = root->guest[i]->hello;
	tell_met(root, CC_WIRE_TABLE, table, size);
	free(table);
}

/* What is wrong with a rank that has introduced itself; NULL: nothing. */
static const char *objection(const struct axcc_root *root, const struct cc_hello *hello)
{
	if (root->ranks && hello->ranks != root->ranks)
		return "expects another number of ranks than those before it";
	if (axcc_ranks_has(&root->came, hello->rank))
		return "came twice";
	return NULL;
}

/* A rank has introduced itself. Return: false: all have, the meeting is over. */
static bool greet(struct axcc_root *root, struct guest *guest)
{
	const struct cc_hello *hello = &guest->hello;
	const char *wrong = objection(root, hello);

	guest->met = true;
	if (root->over.error) {
		tell(root, guest, CC_WIRE_REFUSE, &root->over, sizeof(root->over));
		return true;
	}
	if (wrong) {
		refuse(root, guest, AXCC_ERROR_MISMATCH, -EPROTO, wrong);
		return true;
	}
	root->ranks = hello->ranks;
	axcc_ranks_add(&root->came, hello->rank);
	if (++root->count < root->ranks) {
		tell_met(root, CC_WIRE_CAME, &root->came, sizeof(root->came));
		return true;
	}
	give_table(root);
	return false;
}

/* Is it a rank that belongs here? */
static bool knows_key(const struct axcc_root *root, const struct cc_hello *hello)
{
	return !memcmp(hello->key, root->id.key, sizeof(hello->key)) && hello->ranks &&
		hello->ranks <= AXCC_MAX_RANKS && hello->rank < hello->ranks;
}

/* A whole message. *@drop: hang up. Return: false: the meeting is over. */
static bool hear(struct axcc_root *root, struct guest *guest, bool *drop)
{
	if (guest->met) {
		/* It gives up and says why. */
		*drop = !cc_blame_check(&guest->in.blame, guest->hello.ranks);
		if (!*drop)
			call_off(root, &guest->in.blame);
		return true;
	}
	guest->hello = guest->in.hello;
	guest->rank = guest->hello.rank;
	*drop = !knows_key(root, &guest->hello);
	return *drop || greet(root, guest);
}

static bool good_head(const struct guest *guest)
{
	const struct cc_wire_head *head = &guest->in.head;

	if (cc_wire_head_check(head))
		return false;
	return guest->met ?
		head->type == CC_WIRE_REFUSE && head->length == sizeof(guest->in.blame) :
		head->type == CC_WIRE_HELLO && head->length == sizeof(guest->in.hello);
}

static uint32_t message_size(const struct guest *guest)
{
	return (uint32_t)sizeof(guest->in.head) +
		(uint32_t)(guest->met ? sizeof(guest->in.blame) : sizeof(guest->in.hello));
}

/* It has gone, or makes no sense. Without a rank that was there the meeting fails. */
static void hang_up(struct axcc_root *root, uint32_t index)
{
	if (root->guest[index]->met)
		refuse(root, root->guest[index], AXCC_ERROR_RANK_LOST, -ECONNRESET,
		       "went away while the ranks met");
	drop_guest(root, index);
}

/* What has come from a connection. Return: false: the meeting is over. */
static bool listen_to(struct axcc_root *root, uint32_t index)
{
	struct guest *guest = root->guest[index];
	ssize_t n = recv(guest->fd, (char *)&guest->in + guest->got,
			 message_size(guest) - guest->got, 0);
	bool drop = false, more = true;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	guest->got += n > 0 ? (uint32_t)n : 0;
	if (n <= 0 || (guest->got >= sizeof(guest->in.head) && !good_head(guest))) {
		hang_up(root, index);
		return true;
	}
	if (guest->got == message_size(guest)) {
		more = hear(root, guest, &drop);
		guest->got = 0;
	}
	if (drop)
		hang_up(root, index);
	return more;
}

/* The stranger that has been here for longest; @guests: there is none. */
static uint32_t oldest_stranger(const struct axcc_root *root)
{
	uint32_t oldest = root->guests, i;

	for (i = 0; i < root->guests; i++)
		if (!root->guest[i]->met &&
		    (oldest == root->guests ||
		     root->guest[i]->since_ns < root->guest[oldest]->since_ns))
			oldest = i;
	return oldest;
}

/* Makes room for a connection, if a stranger has it. */
static bool make_room(struct axcc_root *root)
{
	uint32_t oldest = oldest_stranger(root);

	if (oldest == root->guests)
		return false;
	drop_guest(root, oldest);
	return true;
}

/* Who connects cannot be taken, and would not be the next time. Return: false: it is over. */
static bool out_of_resources(struct axcc_root *root, int error)
{
	struct cc_blame blame = {
		.kind = AXCC_ERROR_INTERNAL,
		.error = -error,
		.rank = AXCC_NO_RANK,
		.coll = AXCC_NUM_COLLS,
	};

	if (make_room(root))
		return true;
	snprintf(blame.detail, sizeof(blame.detail), "the root cannot take more ranks: %s",
		 strerror(error));
	call_off(root, &blame);
	return false;
}

/* Return: false: the meeting is over. */
static bool take_guest(struct axcc_root *root)
{
	struct guest *guest;
	int fd = accept4(root->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return !cc_address_full(errno) || out_of_resources(root, errno);
	if (root->guests == MAX_GUESTS)
		make_room(root);
	guest = root->guests < MAX_GUESTS ? calloc(1, sizeof(*guest)) : NULL;
	if (!guest) {
		close(fd);
		return true;
	}
	guest->fd = fd;
	guest->since_ns = cc_now_ns();
	root->guest[root->guests++] = guest;
	return true;
}

/* Hangs up on strangers whose time is over. Return: ms until the next one's is, -1: none. */
static int look_at_strangers(struct axcc_root *root)
{
	uint64_t now = cc_now_ns();
	uint32_t oldest;

	while ((oldest = oldest_stranger(root)) < root->guests) {
		uint64_t due = root->guest[oldest]->since_ns + HELLO_NS;

		if (now < due)
			return (int)((due - now) / CC_MS) + 1;
		drop_guest(root, oldest);
	}
	return -1;
}

/* One round. Return: false: the meeting is over. */
static bool serve(struct axcc_root *root)
{
	struct pollfd fds[MAX_GUESTS + 2];
	int ms = look_at_strangers(root);
	uint32_t n = root->guests, i;

	fds[0] = (struct pollfd) { .fd = root->wake, .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = root->listen, .events = POLLIN };
	for (i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd) { .fd = root->guest[i]->fd, .events = POLLIN };
	if (poll(fds, n + 2, ms) < 0)
		return errno == EINTR;
	if (fds[0].revents)
		return false;
	/* From the end, since dropping one moves the last into its place. */
	for (i = n; i--;)
		if (fds[2 + i].revents && !listen_to(root, i))
			return false;
	return !fds[1].revents || take_guest(root);
}

static void *root_main(void *arg)
{
	struct axcc_root *root = arg;

	while (serve(root))
		;
	while (root->guests)
		drop_guest(root, root->guests - 1);
	/* Who comes now is refused at once. */
	close(root->listen);
	return NULL;
}

int cc_root_start(struct cc_id *id, struct axcc_root **out)
{
	struct axcc_root *root = calloc(1, sizeof(*root));
	int err;

	if (!root)
		return -ENOMEM;
	err = cc_address_listen(&id->address, &root->listen);
	if (err) {
		free(root);
		return err;
	}
	root->id = *id;
	root->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = root->wake < 0 ? -errno : -pthread_create(&root->thread, NULL, root_main, root);
	if (err) {
		if (root->wake >= 0)
			close(root->wake);
		close(root->listen);
		free(root);
		return err;
	}
	*out = root;
	return 0;
}

int cc_id_key(struct cc_id *id)
{
	return getrandom(id->key, sizeof(id->key), 0) == sizeof(id->key) ? 0 : -EIO;
}

AXCC_API int axcc_root_create(const char *address, struct axcc_root **root,
			      struct axcc_unique_id *out)
{
	struct cc_id id = { .magic = CC_ID_MAGIC };
	int err = 0;

	if (!root || !out)
		return -EINVAL;
	*root = NULL;
	if (address)
		err = cc_address_parse(address, false, &id.address);
	else
		cc_address_own(&id.address);
	if (!err)
		err = cc_id_key(&id);
	if (!err)
		err = cc_root_start(&id, root);
	if (err)
		return err;
	memset(out, 0, sizeof(*out));
	memcpy(out->bytes, &id, sizeof(id));
	return 0;
}

AXCC_API void axcc_root_destroy(struct axcc_root *root)
{
	if (!root)
		return;
	eventfd_write(root->wake, 1);
	pthread_join(root->thread, NULL);
	close(root->wake);
	free(root);
}

AXCC_API int axcc_unique_id_from_address(const char *address, struct axcc_unique_id *out)
{
	struct cc_id id = { .magic = CC_ID_MAGIC, .by_rank_0 = 1 };
	int err;

	if (!address || !out)
		return -EINVAL;
	err = cc_address_parse(address, true, &id.address);
	if (err)
		return err;
	/* Everybody who knows the address can come: that is what it is for. */
	memcpy(id.key, id.address.ip, sizeof(id.key));
	id.key[0] ^= (uint8_t)id.address.port;
	id.key[1] ^= (uint8_t)(id.address.port >> 8);
	memset(out, 0, sizeof(*out));
	memcpy(out->bytes, &id, sizeof(id));
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * wire.c - sockets: addresses, whole messages, no wait without an end. It must not know what
 * messages mean, and never trusts a length.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

/* ---- waiting ---- */

static int time_left(uint64_t deadline_ns)
{
	uint64_t now = cc_now_ns();
	uint64_t ms = deadline_ns > now ? (deadline_ns - now) / CC_MS + 1 : 0;

	return ms > 60000 ? 60000 : (int)ms;
}

int cc_wire_ready(int fd, short events, const struct cc_limit *limit)
{
	struct pollfd fds[2] = { { .fd = fd, .events = events },
				 { .fd = limit->abort_fd, .events = POLLIN } };
	int ms, n;

	do {
		ms = time_left(limit->deadline_ns);
		n = poll(fds, 2, ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[1].revents)
			return -ECANCELED;
	} while (n < 0 || (!n && ms));
	return n ? 0 : -ETIME;
}

static int send_all(int fd, const void *data, size_t length, const struct cc_limit *limit)
{
	const char *at = data;
	ssize_t n;
	int err;

	while (length) {
		n = send(fd, at, length, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n > 0) {
			at += n;
			length -= (size_t)n;
			continue;
		}
		err = cc_wire_ready(fd, POLLOUT, limit);
		if (err)
			return err;
	}
	return 0;
}

static int recv_all(int fd, void *data, size_t length, const struct cc_limit *limit)
{
	char *at = data;
	ssize_t n;
	int err;

	while (length) {
		n = recv(fd, at, length, 0);
		if (!n)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			length -= (size_t)n;
			continue;
		}
		err = cc_wire_ready(fd, POLLIN, limit);
		if (err)
			return err;
	}
	return 0;
}

/* ---- messages ---- */

struct cc_wire_head cc_wire_head_make(uint16_t type, uint32_t length)
{
	return (struct cc_wire_head) {
		.magic = CC_WIRE_MAGIC,
		.type = type,
		.length = length,
		.version = axcc_version(),
	};
}

int cc_wire_head_check(const struct cc_wire_head *head)
{
	return head->magic != CC_WIRE_MAGIC || head->version != axcc_version() ||
		head->reserved || head->length > CC_WIRE_MAX ? -EPROTO : 0;
}

int cc_wire_send(int fd, uint16_t type, const void *data, uint32_t length,
		 const struct cc_limit *limit)
{
	struct cc_wire_head head = cc_wire_head_make(type, length);
	int err = send_all(fd, &head, sizeof(head), limit);

	return err ? err : send_all(fd, data, length, limit);
}

int cc_wire_recv(int fd, uint16_t *type, void *data, uint32_t *length,
		 const struct cc_limit *limit)
{
	struct cc_wire_head head;
	int err = recv_all(fd, &head, sizeof(head), limit);

	if (!err)
		err = cc_wire_head_check(&head);
	if (!err && head.length > *length)
		err = -EPROTO;
	if (!err)
		err = recv_all(fd, data, head.length, limit);
	if (err)
		return err;
	*type = head.type;
	*length = head.length;
	return 0;
}

/* ---- addresses ---- */

static int parse_port(const char *text, uint16_t *port)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtoul(text, &end, 10);
	if (*end || value > 65535)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

/* Cuts "ip", "ip:port", "[ip6]" or "[ip6]:port" in two. */
static int split(char *text, char **ip, char **port)
{
	char *end;

	*ip = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*ip = text + 1;
		*port = end[1] ? end + 2 : NULL;
		*end = '\0';
		return 0;
	}
	end = strchr(text, ':');
	*port = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return 0;
}

int cc_address_parse(const char *text, bool port_needed, struct cc_address *address)
{
	char buf[128];
	char *ip, *port, *scope;

	memset(address, 0, sizeof(*address));
	if (!text || strlen(text) >= sizeof(buf))
		return -EINVAL;
	strcpy(buf, text);
	if (split(buf, &ip, &port) || (port_needed && !port))
		return -EINVAL;
	if (port && (parse_port(port, &address->port) || (port_needed && !address->port)))
		return -EINVAL;
	scope = strchr(ip, '%');
	if (scope) {
		*scope = '\0';
		address->scope = if_nametoindex(scope + 1);
	}
	if (inet_pton(AF_INET, ip, address->ip) == 1)
		address->family = AF_INET;
	else if (inet_pton(AF_INET6, ip, address->ip) == 1)
		address->family = AF_INET6;
	else
		return -EINVAL;
	return 0;
}

static socklen_t to_sockaddr(const struct cc_address *a, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = a->family;
	if (a->family == AF_INET) {
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	in6->sin6_port = htons(a->port);
	in6->sin6_scope_id = a->scope;
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}

static void from_sockaddr(const struct sockaddr_storage *in, struct cc_address *a)
{
	memset(a, 0, sizeof(*a));
	a->family = in->ss_family;
	if (in->ss_family == AF_INET) {
		a->port = ntohs(((const struct sockaddr_in *)in)->sin_port);
		memcpy(a->ip, &((const struct sockaddr_in *)in)->sin_addr, 4);
	} else {
		a->port = ntohs(((const struct sockaddr_in6 *)in)->sin6_port);
		a->scope = ((const struct sockaddr_in6 *)in)->sin6_scope_id;
		memcpy(a->ip, &((const struct sockaddr_in6 *)in)->sin6_addr, 16);
	}
}

/* The kernel chooses the source address for a way out; nothing is sent. */
static bool routed(const char *target, struct cc_address *own)
{
	struct cc_address to;
	struct sockaddr_storage addr;
	socklen_t len;
	bool ok;
	int fd;

	if (cc_address_parse(target, true, &to))
		return false;
	len = to_sockaddr(&to, &addr);
	fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ok = !connect(fd, (struct sockaddr *)&addr, len);
	len = sizeof(addr);
	ok = ok && !getsockname(fd, (struct sockaddr *)&addr, &len);
	close(fd);
	if (ok)
		from_sockaddr(&addr, own);
	own->port = 0;
	return ok;
}

/* Without a default route: an interface that is up, if there is one beside the loopback. */
static bool interface(struct cc_address *own)
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    !(i->ifa_flags & IFF_UP) || i->ifa_flags & IFF_LOOPBACK)
			continue;
		from_sockaddr((struct sockaddr_storage *)i->ifa_addr, own);
		own->port = 0;
		found = true;
	}
	freeifaddrs(list);
	return found;
}

void cc_address_own(struct cc_address *address)
{
	/* Documentation addresses: every default route leads to them. */
	if (routed("192.0.2.1:9", address) || interface(address) ||
	    routed("[2001:db8::1]:9", address))
		return;
	cc_address_parse("127.0.0.1", false, address);
}

bool cc_address_is_loopback(const struct cc_address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->ip[0] == 127 : !memcmp(a->ip, one, sizeof(one));
}

static void no_delay(int fd)
{
	int one = 1;

	/* Only speed depends on it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int cc_address_listen(struct cc_address *address, int *out)
{
	struct sockaddr_storage addr;
	socklen_t len = to_sockaddr(address, &addr);
	int one = 1;
	int err = 0;
	int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* What is accepted inherits it. */
	no_delay(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 2 * AXCC_MAX_RANKS))
		err = -errno;
	len = sizeof(addr);
	if (!err && getsockname(fd, (struct sockaddr *)&addr, &len))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	from_sockaddr(&addr, address);
	*out = fd;
	return 0;
}

bool cc_address_full(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

int cc_address_connect(const struct cc_address *address, const struct cc_limit *limit, int *out)
{
	struct sockaddr_storage addr;
	socklen_t len = to_sockaddr(address, &addr);
	int so_error = 0;
	socklen_t so_len = sizeof(so_error);
	int err = 0;
	int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	no_delay(fd);
	if (connect(fd, (struct sockaddr *)&addr, len)) {
		err = errno == EINPROGRESS ? cc_wire_ready(fd, POLLOUT, limit) : -errno;
		if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &so_error, &so_len))
			err = -errno;
		if (!err)
			err = -so_error;
	}
	if (err) {
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

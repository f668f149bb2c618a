/* SPDX-License-Identifier: MIT */
/*
 * wire.h - messages between the processes of a communicator, over stream sockets.
 *
 * All processes of a communicator are of the same version of the library and of the same byte
 * order; the first message of a connection says so, and what does not fit is refused.
 */
#ifndef AXON_LIBAXCC_WIRE_H
#define AXON_LIBAXCC_WIRE_H

#include <netinet/in.h>

#include "internal.h"

#define CC_WIRE_MAGIC	0x63634158u	/* "XAcc" */
#define CC_WIRE_MAX	(1u << 20)	/* bytes of a message */

/**
 * struct cc_address - an address of the internet, either family
 * @family: AF_INET or AF_INET6
 * @port: in the host's order
 * @ip: 4 or 16 bytes
 */
struct cc_address {
	uint16_t family;
	uint16_t port;
	uint32_t scope;
	uint8_t ip[16];
};

enum cc_wire_type {
	/* while ranks meet */
	CC_WIRE_HELLO = 1,	/* rank -> root: struct cc_hello */
	CC_WIRE_CAME = 2,	/* root -> rank: struct axcc_ranks that have come */
	CC_WIRE_TABLE = 3,	/* root -> rank: struct cc_table */
	CC_WIRE_REFUSE = 4,	/* root -> rank: struct cc_blame */
	/* between the processes of a communicator */
	CC_WIRE_JOIN = 16,	/* process -> first process: struct cc_join */
	CC_WIRE_GO = 17,	/* first process -> process: struct cc_go */
	CC_WIRE_POST = 18,	/* process -> first process: struct cc_wire_post, targets */
	CC_WIRE_LAUNCH = 19,	/* first process -> process: struct cc_wire_launch */
	CC_WIRE_FAIL = 20,	/* any -> first process -> all: struct cc_blame */
	CC_WIRE_STALL = 21,	/* process -> first process: uint32_t rank whose data do not come */
	CC_WIRE_LEFT = 22,	/* process -> first process -> all: uint32_t rank */
	CC_WIRE_SHRINK = 23,	/* survivor -> coordinator: struct cc_wire_shrink */
	CC_WIRE_SHRUNK = 24,	/* coordinator -> survivor: struct cc_wire_shrunk */
	CC_WIRE_DRAIN = 25,	/* first process -> process: uint32_t process that has left */
	CC_WIRE_DRAINED = 26,	/* process -> first process: the same, when it has its data */
	CC_WIRE_DISMISS = 27,	/* first process -> the one that has left: all have */
};

struct cc_wire_head {
	uint32_t magic;
	uint16_t type;
	uint16_t reserved;
	uint32_t length;
	uint32_t version;
};

/**
 * struct cc_hello - a rank introduces itself
 * @key: of the unique id: who does not know it is not meant
 * @ranks: how many it expects
 * @rank: which one it is
 * @seat: where it sits
 * @control: where its process can be reached
 */
struct cc_hello {
	uint8_t key[16];
	uint32_t ranks;
	uint32_t rank;
	struct cc_seat seat;
	struct cc_address control;
};

/**
 * struct cc_table - all that have met
 * @session: names this meeting
 * @ranks: how many
 * @rank: in the order of their ranks
 */
struct cc_table {
	uint64_t session;
	uint32_t ranks;
	uint32_t reserved;
	struct cc_hello rank[];
};

/**
 * struct cc_limit - when waiting ends
 * @deadline_ns: CLOCK_MONOTONIC
 * @abort_fd: readable: give up; or -1
 */
struct cc_limit {
	uint64_t deadline_ns;
	int abort_fd;
};

/* Return: 0, -ETIME, -ECANCELED, or what poll() gave. */
int cc_wire_ready(int fd, short events, const struct cc_limit *limit);
int cc_wire_send(int fd, uint16_t type, const void *data, uint32_t length,
		 const struct cc_limit *limit);
/* *@length: in: room at @data; out: bytes. Return: 0, -ECONNRESET (closed), -EPROTO, ... */
int cc_wire_recv(int fd, uint16_t *type, void *data, uint32_t *length,
		 const struct cc_limit *limit);
struct cc_wire_head cc_wire_head_make(uint16_t type, uint32_t length);
int cc_wire_head_check(const struct cc_wire_head *head);

/* Text to address. @port_needed: "ip" alone is not enough. */
int cc_address_parse(const char *text, bool port_needed, struct cc_address *address);
/* The address of the interface with the default route, else the loopback; port 0. */
void cc_address_own(struct cc_address *address);
bool cc_address_is_loopback(const struct cc_address *address);
/* A listening socket; @address gets its port. */
int cc_address_listen(struct cc_address *address, int *fd);
/* accept() could take nobody with that errno; who connects is there again at once. */
bool cc_address_full(int error);
/* Return: 0, or one attempt's error. */
int cc_address_connect(const struct cc_address *address, const struct cc_limit *limit, int *fd);

#endif /* AXON_LIBAXCC_WIRE_H */

/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_mbox.h - the messages between a driver and the card's firmware.
 *
 * The mailbox SRAM (AXON_MBOX_OFFSET of BAR 0) holds a request ring, a response ring, an event
 * ring, telemetry and a log. The driver asks here for everything rare; commands never pass it.
 * Prose: Documentation/hardware.rst, "Mailbox".
 */
#ifndef AXON_MBOX_H
#define AXON_MBOX_H

#include "axon_types.h"
#include "axon_fw.h"

#define AXON_MBOX_MAGIC		0x584d5841u	/* "AXMX" */
#define AXON_MBOX_ABI_MAJOR	1u
#define AXON_MBOX_ABI_MINOR	1u

#define AXON_MBOX_SLOTS		16u
#define AXON_MBOX_EVENTS	64u
#define AXON_MBOX_LOG_SIZE	16384u

/**
 * struct axon_mbox_msg - a request or its response, 128 bytes
 * @seq: chosen by the host, not 0; the response carries the same
 * @type: an &enum axon_mbox_type
 * @length: bytes of @data in use; must be what the type wants
 * @status: response: an &enum axon_mbox_status; request: 0
 * @reserved: must be 0
 * @data: the type's structure; the rest must be 0
 */
struct axon_mbox_msg {
	__u32 seq;
	__u16 type;
	__u16 length;
	__u32 status;
	__u32 reserved;
	__u8 data[112];
};
AXON_ASSERT_SIZE(struct axon_mbox_msg, 128);

enum axon_mbox_type {
	AXON_MBOX_PING = 1,		/* data: none; response: struct axon_mbox_ping */
	AXON_MBOX_AS_CREATE = 2,	/* struct axon_mbox_as */
	AXON_MBOX_AS_DESTROY = 3,	/* struct axon_mbox_as; root must be 0 */
	AXON_MBOX_AS_INVALIDATE = 4,	/* struct axon_mbox_as; root must be 0 */
	AXON_MBOX_QUEUE_CREATE = 5,	/* struct axon_mbox_queue */
	AXON_MBOX_QUEUE_DESTROY = 6,	/* struct axon_mbox_queue_id */
	AXON_MBOX_CORE_RESET = 7,	/* struct axon_mbox_core; only if that queue runs there, or
					 * waits for its gang
					 */
	AXON_MBOX_SET_TELEMETRY = 8,	/* struct axon_mbox_set_telemetry */
	AXON_MBOX_GANG_RESET = 9,	/* struct axon_mbox_core; only if that queue's launch waits
					 * for others to join its gang
					 */
};

enum axon_mbox_status {
	AXON_MBOX_OK = 0,
	AXON_MBOX_BAD_TYPE = 1,
	AXON_MBOX_BAD_LENGTH = 2,
	AXON_MBOX_BAD_ID = 3,		/* the card can have no such address space, queue or core */
	AXON_MBOX_BAD_PARAM = 4,
	AXON_MBOX_BUSY = 5,		/* in use; free what uses it first */
	AXON_MBOX_NOT_FOUND = 6,	/* not in use; CORE_RESET, GANG_RESET: nothing to kill */
};

/**
 * struct axon_mbox_ping - response of AXON_MBOX_PING
 * @uptime_us: since the firmware started
 * @fw_version: as in struct axon_fw_header
 * @requests: requests answered
 */
struct axon_mbox_ping {
	__u64 uptime_us;
	__u32 fw_version;
	__u32 requests;
};
AXON_ASSERT_SIZE(struct axon_mbox_ping, 16);

/**
 * struct axon_mbox_as - an address space
 * @asid: 0..AXON_REG_ASIDS - 1; 0 is the kernel's
 * @reserved: must be 0
 * @root: HBM offset of its root table
 */
struct axon_mbox_as {
	__u32 asid;
	__u32 reserved;
	__u64 root;
};
AXON_ASSERT_SIZE(struct axon_mbox_as, 16);

/**
 * struct axon_mbox_queue - a new queue
 * @queue: id, which is also its doorbell page
 * @core: core it feeds
 * @asid: address space of its commands and programs
 * @ring_asid: address space of the three memories below: 0 or @asid
 * @entries: of the submission and of the completion ring, a power of two
 * @vector: MSI-X vector
 * @sq: virtual address of the submission ring, 4 KiB aligned
 * @cq: virtual address of the completion ring, 4 KiB aligned, zeroed
 * @state: virtual address of struct axon_qstate, 4 KiB aligned, zeroed
 */
struct axon_mbox_queue {
	__u32 queue;
	__u32 core;
	__u32 asid;
	__u32 ring_asid;
	__u32 entries;
	__u32 vector;
	__u64 sq;
	__u64 cq;
	__u64 state;
};
AXON_ASSERT_SIZE(struct axon_mbox_queue, 48);

struct axon_mbox_queue_id {
	__u32 queue;
	__u32 reserved;
};
AXON_ASSERT_SIZE(struct axon_mbox_queue_id, 8);

/**
 * struct axon_mbox_core - end what runs on a core, or waits for its gang
 * @core: the core
 * @queue: the queue whose launch is to be killed; nothing happens (NOT_FOUND) to any other
 */
struct axon_mbox_core {
	__u32 core;
	__u32 queue;
};
AXON_ASSERT_SIZE(struct axon_mbox_core, 8);

/**
 * struct axon_mbox_set_telemetry - how often the firmware refreshes struct axon_telemetry
 * @period_ms: 10..60000; the firmware starts with 1000
 * @reserved: must be 0
 */
struct axon_mbox_set_telemetry {
	__u32 period_ms;
	__u32 reserved;
};
AXON_ASSERT_SIZE(struct axon_mbox_set_telemetry, 8);

/* Events, from the firmware. */
enum axon_mbox_event_type {
	AXON_EVENT_FAULT = 1,		/* fault */
	AXON_EVENT_THERMAL = 2,		/* value: die temperature in millidegrees */
	AXON_EVENT_ECC = 3,		/* value: uncorrected errors since power-on */
};

/**
 * struct axon_mbox_event - 64 bytes
 * @seq: counts up from 1
 * @type: an &enum axon_mbox_event_type
 * @value: by type
 * @fault: AXON_EVENT_FAULT
 */
struct axon_mbox_event {
	__u32 seq;
	__u32 type;
	__u64 value;
	struct axon_fault fault;
};
AXON_ASSERT_SIZE(struct axon_mbox_event, 64);

/**
 * struct axon_telemetry - sensors, refreshed by the firmware
 * @seq: odd while being written; a reader takes the values between two equal even reads
 * @updates: refreshes since boot
 * @temp_die: millidegrees Celsius
 * @temp_hbm: millidegrees Celsius
 * @power: milliwatts
 * @voltage: millivolts
 * @clock_core: kHz
 * @clock_hbm: kHz
 * @energy: microjoules since power-on
 * @hbm_ecc_ce: corrected errors in HBM since power-on
 * @hbm_ecc_ue: uncorrected ones
 * @sram_ecc_ce: corrected errors in SBUF and PSUM
 * @sram_ecc_ue: uncorrected ones
 * @uptime_us: of the firmware
 * @faults_lost: fault records that were lost to a full FIFO or a full event ring
 * @requests: mailbox requests answered
 * @reserved: 0
 */
struct axon_telemetry {
	__u32 seq;
	__u32 updates;
	__s32 temp_die;
	__s32 temp_hbm;
	__u32 power;
	__u32 voltage;
	__u32 clock_core;
	__u32 clock_hbm;
	__u64 energy;
	__u32 hbm_ecc_ce;
	__u32 hbm_ecc_ue;
	__u32 sram_ecc_ce;
	__u32 sram_ecc_ue;
	__u64 uptime_us;
	__u32 faults_lost;
	__u32 requests;
	__u64 reserved[6];
};
AXON_ASSERT_SIZE(struct axon_telemetry, 120);

/**
 * struct axon_mbox - the mailbox SRAM
 * @magic: firmware: AXON_MBOX_MAGIC, written last before it says ready
 * @abi: firmware: AXON_MBOX_ABI_MAJOR << 16 | _MINOR
 * @fw_version: firmware: as in struct axon_fw_header
 * @reserved0: 0
 * @fw_version_str: firmware: NUL terminated
 * @req_head: firmware: requests consumed, free running
 * @resp_tail: firmware: responses written
 * @event_tail: firmware: events written
 * @log_tail: firmware: bytes written to the log, free running; the ring keeps the newest
 * @reserved1: 0
 * @req_tail: host: requests written
 * @resp_head: host: responses consumed
 * @event_head: host: events consumed
 * @reserved2: 0
 * @telemetry: firmware: sensors
 * @reserved3: 0
 * @request: host writes, firmware reads
 * @response: firmware writes, host reads
 * @event: firmware writes, host reads; when full, faults are counted in faults_lost
 * @log: firmware writes, host reads: text, lines end with a newline
 *
 * The firmware trusts nothing here: indices are compared by difference, a request is copied once
 * before it is checked.
 */
struct axon_mbox {
	__u32 magic;
	__u32 abi;
	__u32 fw_version;
	__u32 reserved0;
	char fw_version_str[32];
	__u32 req_head;
	__u32 resp_tail;
	__u32 event_tail;
	__u32 log_tail;
	__u32 reserved1[12];
	__u32 req_tail;
	__u32 resp_head;
	__u32 event_head;
	__u32 reserved2[29];
	struct axon_telemetry telemetry;
	__u8 reserved3[1024 - 240 - 120];
	struct axon_mbox_msg request[AXON_MBOX_SLOTS];
	struct axon_mbox_msg response[AXON_MBOX_SLOTS];
	struct axon_mbox_event event[AXON_MBOX_EVENTS];
	char log[AXON_MBOX_LOG_SIZE];
};
AXON_ASSERT_OFFSET(struct axon_mbox, req_head, 48);
AXON_ASSERT_OFFSET(struct axon_mbox, req_tail, 112);
AXON_ASSERT_OFFSET(struct axon_mbox, telemetry, 240);
AXON_ASSERT_OFFSET(struct axon_mbox, request, 1024);
AXON_ASSERT_SIZE(struct axon_mbox, 25600);

#endif /* AXON_MBOX_H */

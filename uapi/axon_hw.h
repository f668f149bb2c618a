/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_hw.h - the card as its driver sees it: PCI ids, BARs, registers, page tables, rings.
 *
 * The contract between the card (emulator/, later silicon) and whoever drives it (driver/, the
 * soft transport of runtime/). Prose: Documentation/hardware.rst.
 */
#ifndef AXON_HW_H
#define AXON_HW_H

#include "axon_types.h"

#if defined(__KERNEL__)
#include <linux/errno.h>
#elif defined(__linux__)
#include <errno.h>
#endif

/* PCI identity. 0x1234 is QEMU's informal vendor id; class 0x1200: processing accelerator. */
#define AXON_PCI_VENDOR_ID		0x1234
#define AXON_PCI_DEVICE_ID		0xac01
#define AXON_PCI_CLASS			0x1200

#define AXON_REVISION_A1		0xa1u	/* PCI revision id and AXON_REG_REVISION */

/* BAR 0: registers, mailbox SRAM, doorbells. BAR 2: HBM, 64-bit prefetchable. BAR 4: MSI-X. */
#define AXON_BAR_REGS			0
#define AXON_BAR_HBM			2
#define AXON_BAR_MSIX			4
#define AXON_BAR0_SIZE			0x200000u
#define AXON_REGS_OFFSET		0x000000u
#define AXON_REGS_SIZE			0x010000u
#define AXON_MBOX_OFFSET		0x080000u	/* plain memory, layout in axon_mbox.h */
#define AXON_MBOX_SIZE			0x010000u
#define AXON_DOORBELL_OFFSET		0x100000u
#define AXON_DOORBELL_STRIDE		0x001000u	/* one page a queue */
#define AXON_MAX_QUEUES			256u
#define AXON_MAX_CORES			8u
#define AXON_MAX_ASIDS			64u
#define AXON_MAX_PEERS			64u		/* cards of a fabric */
#define AXON_NUM_VECTORS		8u		/* 0: firmware and faults; 1..7: queues */

/*
 * Registers: 32 bits wide, offset in BAR 0; 64-bit values are a low word and the high word after
 * it. A read of a hole gives all ones, a write to a hole or a read-only register is dropped; both
 * set AXON_REG_ACCESS_ERROR.
 */
#define AXON_REG_ID			0x0000	/* ro: AXON_ID_MAGIC */
#define AXON_ID_MAGIC			0x4e4f5841u	/* "AXON" */
#define AXON_REG_VERSION		0x0004	/* ro: AXON_HW_VERSION_MAJOR << 16 | _MINOR */
#define AXON_HW_VERSION_MAJOR		1u
#define AXON_HW_VERSION_MINOR		1u
#define AXON_REG_REVISION		0x0008	/* ro: AXON_REVISION_* */
#define AXON_REG_CORES			0x000c	/* ro: number of cores */
#define AXON_REG_HBM_SIZE_LO		0x0010	/* ro: bytes */
#define AXON_REG_HBM_SIZE_HI		0x0014
#define AXON_REG_HBM_STACKS		0x0018	/* ro: stacks of equal size */
#define AXON_REG_QUEUES			0x001c	/* ro: number of queues */
#define AXON_REG_ASIDS			0x0020	/* ro: address spaces; 0 is the kernel's */
#define AXON_REG_VECTORS		0x0024	/* ro: number of MSI-X vectors */
#define AXON_REG_SERIAL_LO		0x0028	/* ro */
#define AXON_REG_SERIAL_HI		0x002c
#define AXON_REG_FEATURES		0x0030	/* ro: AXON_FEATURE_* */
#define AXON_FEATURE_LINKS		(1u << 0)	/* the card is part of a fabric */
#define AXON_REG_ACCESS_ERROR		0x0034	/* rw1c: offset | 1 of the first bad access */
#define AXON_REG_TIMESTAMP_LO		0x0038	/* ro: host nanoseconds; reading LO latches HI */
#define AXON_REG_TIMESTAMP_HI		0x003c
#define AXON_REG_FABRIC_ID		0x0040	/* ro: this card's peer id, or AXON_NO_PEER */
#define AXON_NO_PEER			0xffffffffu
#define AXON_REG_FABRIC_CARDS		0x0044	/* ro: places of the fabric, taken or not; or 0 */
#define AXON_REG_FABRIC_UID_LO		0x0048	/* ro: equal on all cards of a fabric, else 0 */
#define AXON_REG_FABRIC_UID_HI		0x004c

/* Boot and reset. */
#define AXON_REG_BOOT_ADDR_LO		0x0100	/* rw: HBM offset of the image, 4 KiB aligned */
#define AXON_REG_BOOT_ADDR_HI		0x0104
#define AXON_REG_BOOT_SIZE		0x0108	/* rw: bytes of the image */
#define AXON_REG_BOOT_CTRL		0x010c	/* wo: AXON_BOOT_START */
#define AXON_BOOT_START			1u
#define AXON_REG_BOOT_STAGE		0x0110	/* ro: an &enum axon_boot_stage */
#define AXON_REG_BOOT_ERROR		0x0114	/* ro: an &enum axon_boot_error */
#define AXON_REG_RESET			0x0118	/* wo: AXON_RESET_CARD; done at stage IDLE */
#define AXON_RESET_CARD			0x52455345u	/* "RESE": no stray write resets a card */
#define AXON_REG_RESET_COUNT		0x011c	/* ro: card resets since power-on */

enum axon_boot_stage {
	AXON_STAGE_IDLE = 0,		/* after reset: waits for AXON_BOOT_START */
	AXON_STAGE_ROM_CHECK = 1,	/* the ROM copies and checks the image */
	AXON_STAGE_FW_START = 2,	/* the control core runs, the firmware has not said ready */
	AXON_STAGE_READY = 3,		/* the firmware answers the mailbox */
	AXON_STAGE_FAILED = 4,		/* AXON_REG_BOOT_ERROR says why; reset to try again */
	AXON_STAGE_DEAD = 5,		/* the firmware died after it was ready (trap, watchdog) */
	AXON_STAGE_RESETTING = 6,	/* a reset is being carried out */
};

enum axon_boot_error {
	AXON_BOOT_OK = 0,
	AXON_BOOT_BAD_RANGE = 1,	/* address or size outside HBM, unaligned or too large */
	AXON_BOOT_BAD_MAGIC = 2,
	AXON_BOOT_BAD_HEADER = 3,	/* header version, sizes or reserved bytes */
	AXON_BOOT_BAD_ABI = 4,		/* the image is for another ROM ABI major */
	AXON_BOOT_BAD_REVISION = 5,	/* the image is not for this card's generation */
	AXON_BOOT_BAD_BOUNDS = 6,	/* load address, entry or bss outside control RAM */
	AXON_BOOT_BAD_HASH = 7,
	AXON_BOOT_TRAP = 8,		/* the control core trapped with no handler */
	AXON_BOOT_WATCHDOG = 9,		/* the firmware did not feed the watchdog */
};

/* Interrupts. Vector 0 carries the causes below; queue q uses vector 1 + q % (vectors - 1). */
#define AXON_REG_INT_STATUS		0x0180	/* rw1c: AXON_INT_* */
#define AXON_REG_INT_MASK		0x0184	/* rw: 1 lets the cause raise vector 0 */
#define AXON_INT_MBOX_RESPONSE		(1u << 0)
#define AXON_INT_MBOX_EVENT		(1u << 1)
#define AXON_INT_FW_DEAD		(1u << 2)
#define AXON_INT_LINK			(1u << 3)	/* AXON_PEER_STATE of some peer changed */
#define AXON_INT_ALL			0xfu
#define AXON_REG_MBOX_DOORBELL		0x0188	/* wo: any value: there are new requests */
/* Moderation of vector v: at least AXON_MOD_USEC between interrupts, unless AXON_MOD_COUNT
 * completions are waiting. 0: none. Vector 0 is never moderated.
 */
#define AXON_REG_MSIX_MOD(v)		(0x01c0 + 4 * (v))
#define AXON_MOD_USEC_MASK		0x0000ffffu
#define AXON_MOD_COUNT_SHIFT		16

/* Per core, read only. */
#define AXON_REG_CORE(c, r)		(0x0400 + 0x40 * (c) + (r))
#define AXON_CORE_STATE			0x00	/* an &enum axon_core_state */
#define AXON_CORE_QUEUE			0x04	/* queue whose launch runs, or AXON_NO_QUEUE */
#define AXON_CORE_BUSY_LO		0x08	/* host ns with a launch on the core, since reset */
#define AXON_CORE_BUSY_HI		0x0c
#define AXON_CORE_CYCLES_LO		0x10	/* modelled cycles of all launches */
#define AXON_CORE_CYCLES_HI		0x14
#define AXON_CORE_LAUNCHES_LO		0x18	/* launches ended */
#define AXON_CORE_LAUNCHES_HI		0x1c
#define AXON_CORE_FLOPS_LO		0x20	/* floating point operations of the tensor engine */
#define AXON_CORE_FLOPS_HI		0x24
#define AXON_NO_QUEUE			0xffffffffu

enum axon_core_state {
	AXON_CORE_IDLE = 0,
	AXON_CORE_RUNNING = 1,
	AXON_CORE_RESETTING = 2,
};

/* Per place of the fabric (AXON_REG_FABRIC_CARDS of them), read only; counters since power-on. */
#define AXON_REG_PEER(p, r)		(0x1000 + 0x40 * (p) + (r))
#define AXON_PEER_STATE			0x00	/* an &enum axon_peer_state */
#define AXON_PEER_HOPS			0x04	/* links on the way; 0: this card itself */
#define AXON_PEER_LANES			0x08	/* of the narrowest link on the way */
#define AXON_PEER_LATENCY		0x0c	/* nanoseconds one way */
#define AXON_PEER_BANDWIDTH		0x10	/* MB/s (10^6 bytes) of the way, one direction */
#define AXON_PEER_ERRORS		0x14	/* accesses that ended with FAULT_LINK */
#define AXON_PEER_WRITTEN_LO		0x18	/* bytes this card wrote into the peer's HBM */
#define AXON_PEER_WRITTEN_HI		0x1c
#define AXON_PEER_READ_LO		0x20	/* bytes this card read from the peer's HBM */
#define AXON_PEER_READ_HI		0x24
#define AXON_PEER_POSTS_LO		0x28	/* semaphores of the peer this card posted to */
#define AXON_PEER_POSTS_HI		0x2c

enum axon_peer_state {
	AXON_PEER_ABSENT = 0,		/* no card in that place */
	AXON_PEER_DOWN = 1,		/* being reset, or taken down by AXON_KNOB_LINK_DOWN */
	AXON_PEER_UP = 2,
};

/*
 * Address translation. 48-bit virtual addresses, 4 KiB pages, four levels of 512 entries of
 * 8 bytes; tables lie in the card's own HBM. Level 3 is the root. An entry of level 3 or 2
 * points at a table, one of level 1 at a table or (AXON_PTE_LEAF) a 2 MiB page, one of level 0
 * is always a leaf. In a table entry only VALID and the address are set.
 */
#define AXON_VA_BITS			48
#define AXON_PAGE_SHIFT			12
#define AXON_PAGE_SIZE			4096u
#define AXON_HUGE_SHIFT			21
#define AXON_PT_LEVELS			4
#define AXON_PT_ENTRIES			512
#define AXON_PT_INDEX(va, level)	(((va) >> (12 + 9 * (level))) & 511u)
#define AXON_PTE_VALID			(1ull << 0)
#define AXON_PTE_WRITE			(1ull << 1)
#define AXON_PTE_EXEC			(1ull << 2)	/* instructions may be fetched */
#define AXON_PTE_LEAF			(1ull << 3)
#define AXON_PTE_TARGET_SHIFT		4
#define AXON_PTE_TARGET_MASK		(3ull << 4)
#define AXON_PTE_TARGET_HBM		0ull		/* address: offset in the card's HBM */
#define AXON_PTE_TARGET_SYS		1ull		/* address: PCI bus address */
#define AXON_PTE_TARGET_LINK		2ull		/* address: offset in a peer's HBM */
#define AXON_PTE_ADDR_MASK		0x000ffffffffff000ull
#define AXON_PTE_PEER_SHIFT		52		/* LINK: peer id, 8 bits; else 0 */
#define AXON_PTE_PEER_MASK		(0xffull << 52)
#define AXON_PTE_RESERVED		0xf000000000000fc0ull

/* Queues. */
#define AXON_MIN_RING_ENTRIES		16u
#define AXON_MAX_RING_ENTRIES		65536u

/**
 * struct axon_cmd - an entry of a submission ring, 64 bytes
 * @opcode: an &enum axon_cmd_opcode
 * @flags: AXON_CMD_F_*
 * @reserved0: must be 0
 * @seqno: written to the completion entry and word; the driver makes it grow by 1
 * @user_data: returned in the completion entry
 * @launch: AXON_CMD_LAUNCH
 * @copy: AXON_CMD_COPY and AXON_CMD_FILL
 * @reserved: the whole operand area; unused words must be 0
 */
struct axon_cmd {
	__u16 opcode;
	__u16 flags;
	__u32 reserved0;
	__u64 seqno;
	__u64 user_data;
	union {
		/**
		 * @launch: run a program on the queue's core
		 * @launch.program: virtual address of a struct axon_program, 128-byte aligned; it
		 *	may make the launch a member of a gang
		 * @launch.args: put into AXON_SREG_ARGS of every engine
		 * @launch.profile: virtual address of an array of struct axon_profile_record, or 0
		 * @launch.profile_count: its size; records beyond it are counted, not written
		 */
		struct {
			__u64 program;
			__u64 args;
			__u64 profile;
			__u32 profile_count;
			__u32 reserved;
		} launch;
		/**
		 * @copy: move or fill memory in the context's address space
		 * @copy.dst: virtual address
		 * @copy.src: virtual address (COPY) or a byte value in bits 7:0 (FILL)
		 * @copy.size: bytes, 1..2^40
		 */
		struct {
			__u64 dst;
			__u64 src;
			__u64 size;
			__u64 reserved;
		} copy;
		__u64 reserved[5];
	};
};
AXON_ASSERT_SIZE(struct axon_cmd, 64);

enum axon_cmd_opcode {
	AXON_CMD_NOP = 0,
	AXON_CMD_LAUNCH = 1,
	AXON_CMD_COPY = 2,
	AXON_CMD_FILL = 3,
};

/**
 * struct axon_cqe - an entry of a completion queue, 32 bytes
 * @seqno: the command's
 * @user_data: the command's
 * @cycles: modelled duration of the command in AXON_REF_CLOCK_HZ cycles
 * @profiled: profile records the launch made, also those that found no room
 * @status: an &enum axon_status; after anything but OK the queue has stopped
 * @reserved: 0
 * @phase: bit 0: 1 on the first pass through the ring, 0 on the second, ...; written last
 *
 * A reader loads the last 8 bytes with acquire, then the rest.
 */
struct axon_cqe {
	__u64 seqno;
	__u64 user_data;
	__u64 cycles;
	__u32 profiled;
	__u16 status;
	__u8 reserved;
	__u8 phase;
};
AXON_ASSERT_SIZE(struct axon_cqe, 32);
AXON_ASSERT_OFFSET(struct axon_cqe, profiled, 24);

/**
 * struct axon_qstate - the words a queue's two sides share, one page
 * @sq_tail: host: commands written, free running
 * @cq_head: host: completions consumed, free running
 * @cq_event: host: interrupt when a completion with index @cq_event has been written (the
 *	interrupt is raised if it lies among the new ones); the event index of virtio
 * @sq_head: card: commands fetched
 * @sq_event: card: ring the doorbell when the command with index @sq_event has been written
 * @cq_tail: card: completions written
 * @status: card: an &enum axon_status; not OK: the queue has stopped
 * @completed: card: seqno of the newest completion
 *
 * Indices count up modulo 2^32; entry = index & (entries - 1). Host: write entries, store
 * @sq_tail (release), full barrier, load @sq_event, ring if axon_ring_needs_event(). Card, going
 * to sleep: store @sq_event = @sq_head, full barrier, load @sq_tail again. While the card polls it
 * keeps @sq_event at @sq_head - 1, which asks for nothing.
 */
struct axon_qstate {
	__u32 sq_tail;
	__u32 cq_head;
	__u32 cq_event;
	__u32 host_reserved[13];
	__u32 sq_head;
	__u32 sq_event;
	__u32 cq_tail;
	__u32 status;
	__u64 completed;
	__u32 card_reserved[10];
};
AXON_ASSERT_SIZE(struct axon_qstate, 128);
AXON_ASSERT_OFFSET(struct axon_qstate, sq_head, 64);
AXON_ASSERT_OFFSET(struct axon_qstate, completed, 80);

/**
 * axon_ring_needs_event() - did an index pass the one the other side waits for?
 * @event: index the other side published
 * @new_idx: index after this update
 * @old_idx: index before it
 *
 * Return: non-zero if @event is one of old_idx .. new_idx - 1.
 */
static inline int axon_ring_needs_event(__u32 event, __u32 new_idx, __u32 old_idx)
{
	return (__u32)(new_idx - event - 1) < (__u32)(new_idx - old_idx);
}

/* How a command, launch or queue ended. */
enum axon_status {
	AXON_STATUS_OK = 0,
	/* address translation; the fault record has the address */
	AXON_STATUS_FAULT_UNMAPPED = 1,
	AXON_STATUS_FAULT_WRITE = 2,	/* write to a read-only page */
	AXON_STATUS_FAULT_EXEC = 3,	/* instruction fetch from a page without AXON_PTE_EXEC */
	AXON_STATUS_FAULT_PTE = 4,	/* reserved bits, bad target or table outside HBM */
	AXON_STATUS_FAULT_BUS = 5,	/* the system bus refused the access */
	AXON_STATUS_FAULT_LINK = 6,	/* no such peer, or the link is down */
	AXON_STATUS_FAULT_ADDRESS = 7,	/* address wraps or lies beyond 48 bits */
	/* programs */
	AXON_STATUS_BAD_PROGRAM = 16,	/* program descriptor */
	AXON_STATUS_BAD_OPCODE = 17,	/* unknown, or not for this engine */
	AXON_STATUS_BAD_OPERAND = 18,	/* access pattern, register, reserved field */
	AXON_STATUS_BAD_DMA = 19,	/* descriptor */
	AXON_STATUS_OOB_INDEX = 20,	/* gather or scatter index >= bound */
	AXON_STATUS_BAD_PC = 21,	/* ran past the end of its stream */
	AXON_STATUS_DEADLOCK = 22,	/* every engine waits for a semaphore nobody will raise */
	/* gangs */
	AXON_STATUS_BAD_GANG = 23,	/* rank, number of ranks or place; a rank that is taken */
	AXON_STATUS_PEER_LOST = 24,	/* another member failed, was killed, or its card went */
	/* rings */
	AXON_STATUS_BAD_COMMAND = 32,
	AXON_STATUS_BAD_RING = 33,	/* sq_tail or cq_head is impossible */
	AXON_STATUS_CQ_OVERFLOW = 34,
	/* ended from outside */
	AXON_STATUS_KILLED = 48,	/* by core reset */
	AXON_STATUS_QUEUE_GONE = 49,	/* by queue destruction */
	AXON_STATUS_CARD_RESET = 50,	/* said by drivers; a card that was reset writes nothing */
};

#if defined(__KERNEL__) || defined(__linux__)
/**
 * axon_status_errno() - the error that a fence or a call has for a status
 * @status: an &enum axon_status, or anything a card says
 *
 * Return: 0 or a negative errno.
 */
static inline int axon_status_errno(__u32 status)
{
	switch (status) {
	case AXON_STATUS_OK:
		return 0;
	case AXON_STATUS_FAULT_UNMAPPED:
	case AXON_STATUS_FAULT_WRITE:
	case AXON_STATUS_FAULT_EXEC:
	case AXON_STATUS_FAULT_PTE:
	case AXON_STATUS_FAULT_BUS:
	case AXON_STATUS_FAULT_LINK:
	case AXON_STATUS_FAULT_ADDRESS:
		return -EFAULT;
	case AXON_STATUS_BAD_PROGRAM:
	case AXON_STATUS_BAD_OPCODE:
	case AXON_STATUS_BAD_OPERAND:
	case AXON_STATUS_BAD_DMA:
	case AXON_STATUS_OOB_INDEX:
	case AXON_STATUS_BAD_PC:
	case AXON_STATUS_BAD_GANG:
	case AXON_STATUS_BAD_COMMAND:
		return -EINVAL;
	case AXON_STATUS_DEADLOCK:
		return -EDEADLK;
	case AXON_STATUS_PEER_LOST:
		return -ENOLINK;
	case AXON_STATUS_KILLED:
	case AXON_STATUS_QUEUE_GONE:
		return -ECANCELED;
	case AXON_STATUS_CARD_RESET:
		return -ECONNRESET;
	default:
		return -EIO;
	}
}
#endif

#endif /* AXON_HW_H */

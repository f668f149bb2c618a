/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_fw.h - the firmware image and the control core's view of the card.
 *
 * First half: the file that the driver loads and the boot ROM checks. Second half: the memory map
 * and the peripherals that the firmware programs; only firmware/ and emulator/model use it.
 * Prose: Documentation/hardware.rst, "Control core".
 */
#ifndef AXON_FW_H
#define AXON_FW_H

#include "axon_types.h"

#define AXON_FW_NAME		"axon/axon-fw.bin"	/* below the firmware search path */
#define AXON_FW_MAGIC		0x57465841u	/* "AXFW" */
#define AXON_FW_HEADER_SIZE	256u
#define AXON_FW_MAX_SIZE	(AXON_CTRL_RAM_SIZE + AXON_FW_HEADER_SIZE)
#define AXON_FW_ROM_ABI		1u	/* ROM and peripherals; the ROM refuses another */

/**
 * struct axon_fw_header - first 256 bytes of a firmware image
 * @magic: AXON_FW_MAGIC
 * @header_size: AXON_FW_HEADER_SIZE
 * @rom_abi: AXON_FW_ROM_ABI
 * @mbox_abi: AXON_MBOX_ABI_MAJOR << 16 | _MINOR; the driver refuses another major
 * @revision: card generation the image is for (AXON_REVISION_*)
 * @payload_size: bytes after the header; header_size + payload_size is the file's size
 * @load_addr: address of the payload in control RAM
 * @entry: address of the first instruction, inside the payload
 * @bss_end: end of the memory the image needs (load_addr + payload_size .. bss_end is zeroed)
 * @version: firmware version, major << 24 | minor << 16 | patch
 * @reserved0: must be 0
 * @version_str: the same for people, NUL terminated
 * @sha256: SHA-256 of header (with this field zero) and payload
 * @reserved: must be 0
 */
struct axon_fw_header {
	__u32 magic;
	__u32 header_size;
	__u32 rom_abi;
	__u32 mbox_abi;
	__u32 revision;
	__u32 payload_size;
	__u32 load_addr;
	__u32 entry;
	__u32 bss_end;
	__u32 version;
	__u32 reserved0[2];
	char version_str[32];
	__u8 sha256[32];
	__u8 reserved[144];
};
AXON_ASSERT_SIZE(struct axon_fw_header, 256);
AXON_ASSERT_OFFSET(struct axon_fw_header, version_str, 48);
AXON_ASSERT_OFFSET(struct axon_fw_header, sha256, 80);

/* Control core: RV32IMAC + Zicsr + Zifencei, machine mode only, instruction-counted mcycle. */
#define AXON_CTRL_RAM_BASE	0x80000000u
#define AXON_CTRL_RAM_SIZE	0x00040000u	/* 256 KiB, private to the control core */
#define AXON_CTRL_MBOX_BASE	0x20000000u	/* the mailbox SRAM of BAR 0, AXON_MBOX_SIZE */
#define AXON_CTRL_CLINT_BASE	0x02000000u	/* standard layout, one hart: */
#define AXON_CLINT_MSIP		0x0000u
#define AXON_CLINT_MTIMECMP	0x4000u
#define AXON_CLINT_MTIME	0xbff8u
#define AXON_CTRL_MTIME_HZ	1000000u	/* mtime counts microseconds of the card's clock */
#define AXON_CTRL_PERIPH_BASE	0x40000000u
#define AXON_CTRL_PERIPH_SIZE	0x00001000u

/*
 * Peripherals: offsets from AXON_CTRL_PERIPH_BASE, 32-bit accesses only. An access to a hole,
 * or of another size, traps (load or store access fault).
 */
/* Machine external interrupt: pending & enable. */
#define AXON_P_IRQ_PENDING	0x000	/* rw1c: AXON_P_IRQ_* */
#define AXON_P_IRQ_ENABLE	0x004	/* rw */
#define AXON_P_IRQ_MBOX		(1u << 0)	/* the host rang AXON_REG_MBOX_DOORBELL */
#define AXON_P_IRQ_FAULT	(1u << 1)	/* the fault FIFO is not empty */
/* To the host. */
#define AXON_P_HOST_INT		0x008	/* wo: sets AXON_INT_* bits in AXON_REG_INT_STATUS */
#define AXON_P_STAGE		0x00c	/* wo: AXON_STAGE_READY; anything else traps */
#define AXON_P_REVISION		0x010	/* ro */
#define AXON_P_NUM_CORES	0x014	/* ro */
#define AXON_P_WATCHDOG		0x018	/* wo: microseconds of mtime until it bites; 0 stops it */
/* Sensors, read only. */
#define AXON_P_TEMP_DIE		0x040	/* millidegrees Celsius */
#define AXON_P_TEMP_HBM		0x044
#define AXON_P_POWER		0x048	/* milliwatts */
#define AXON_P_ENERGY_LO	0x04c	/* microjoules since power-on; LO latches HI */
#define AXON_P_ENERGY_HI	0x050
#define AXON_P_CLOCK_CORE	0x054	/* kHz */
#define AXON_P_CLOCK_HBM	0x058	/* kHz */
#define AXON_P_VOLTAGE		0x05c	/* millivolts */
#define AXON_P_HBM_ECC_CE	0x060	/* corrected errors since power-on */
#define AXON_P_HBM_ECC_UE	0x064
#define AXON_P_SRAM_ECC_CE	0x068
#define AXON_P_SRAM_ECC_UE	0x06c
/* Address spaces: write the operands, then CMD; RESULT is valid at once. */
#define AXON_P_AS_ID		0x100
#define AXON_P_AS_ROOT_LO	0x104	/* HBM offset of the root table, 4 KiB aligned */
#define AXON_P_AS_ROOT_HI	0x108
#define AXON_P_AS_CMD		0x10c	/* wo: an &enum axon_p_as_cmd */
#define AXON_P_AS_RESULT	0x110	/* ro: an &enum axon_p_result */
/* Queues. */
#define AXON_P_Q_ID		0x140
#define AXON_P_Q_CORE		0x144	/* core it feeds */
#define AXON_P_Q_ASID		0x148	/* address space of its commands */
#define AXON_P_Q_RING_ASID	0x14c	/* address space of ring, completions and state: 0 for rings
					 * of the kernel, Q_ASID for rings of a user
					 */
#define AXON_P_Q_ENTRIES	0x150	/* power of two; the completion queue has as many */
#define AXON_P_Q_VECTOR		0x154
#define AXON_P_Q_SQ_LO		0x158	/* virtual addresses, 4 KiB aligned */
#define AXON_P_Q_SQ_HI		0x15c
#define AXON_P_Q_CQ_LO		0x160
#define AXON_P_Q_CQ_HI		0x164
#define AXON_P_Q_STATE_LO	0x168	/* struct axon_qstate */
#define AXON_P_Q_STATE_HI	0x16c
#define AXON_P_Q_CMD		0x170	/* wo: an &enum axon_p_q_cmd */
#define AXON_P_Q_RESULT		0x174	/* ro */
/* Cores. */
#define AXON_P_CORE_ID		0x180
#define AXON_P_CORE_CMD		0x184	/* wo: an &enum axon_p_core_cmd */
#define AXON_P_CORE_RESULT	0x188	/* ro */
#define AXON_P_CORE_QUEUE	0x18c	/* ro: queue that runs on CORE_ID, or AXON_NO_QUEUE */
#define AXON_P_CORE_MATCH	0x190	/* operand of AXON_P_CORE_KILL: a queue */
/* Fault FIFO: struct axon_fault, read word by word; POP drops the oldest. */
#define AXON_P_FAULT_COUNT	0x1c0	/* ro: records in the FIFO */
#define AXON_P_FAULT_POP	0x1c4	/* wo */
#define AXON_P_FAULT_LOST	0x1c8	/* ro: records that found it full */
#define AXON_P_FAULT_DATA	0x200	/* ro: oldest record, sizeof(struct axon_fault) bytes */

enum axon_p_as_cmd {
	AXON_P_AS_ENABLE = 1,		/* AS_ID translates through AS_ROOT from now on */
	AXON_P_AS_DISABLE = 2,		/* refused (BUSY) while a queue uses it */
	AXON_P_AS_INVALIDATE = 3,	/* drop cached translations of AS_ID */
};

enum axon_p_q_cmd {
	AXON_P_Q_CREATE = 1,
	AXON_P_Q_DESTROY = 2,		/* a running launch of the queue is killed first */
};

enum axon_p_core_cmd {
	AXON_P_CORE_RESET = 1,		/* kill the running launch; its queue stops (KILLED) */
	AXON_P_CORE_KILL = 2,		/* the same if it is a launch of queue CORE_MATCH, or if
					 * that waits for its gang, else NOT_FOUND: compares and
					 * kills in one step
					 */
	AXON_P_CORE_KILL_WAITER = 3,	/* the same, but only if it waits for others to join */
};

enum axon_p_result {
	AXON_P_OK = 0,
	AXON_P_BAD_ID = 1,
	AXON_P_BAD_PARAM = 2,
	AXON_P_BUSY = 3,
	AXON_P_NOT_FOUND = 4,
};

/**
 * struct axon_fault - why a queue stopped
 * @queue: its id
 * @core: core it ran on
 * @asid: address space
 * @status: an &enum axon_status
 * @engine: an &enum axon_engine, 0x80 | DMA queue, or AXON_FAULT_NO_ENGINE for the ring itself
 * @opcode: opcode of the instruction
 * @semaphore: AXON_STATUS_DEADLOCK: semaphore that @engine waits for
 * @peer: gangs: 1 + the rank that was lost (PEER_LOST) or that the launch waited for when it was
 *	killed; 0: none
 * @pc: index of the instruction in its stream
 * @sem_value: AXON_STATUS_DEADLOCK: the semaphore's value
 * @sem_wanted: AXON_STATUS_DEADLOCK: the value waited for
 * @addr: FAULT_*: the virtual address; else 0
 * @seqno: the command's
 * @user_data: the command's
 */
struct axon_fault {
	__u16 queue;
	__u16 core;
	__u16 asid;
	__u16 status;
	__u8 engine;
	__u8 opcode;
	__u8 semaphore;
	__u8 peer;
	__u32 pc;
	__u32 sem_value;
	__u32 sem_wanted;
	__u64 addr;
	__u64 seqno;
	__u64 user_data;
};
AXON_ASSERT_SIZE(struct axon_fault, 48);
AXON_ASSERT_OFFSET(struct axon_fault, addr, 24);
#define AXON_FAULT_NO_ENGINE	0xffu

#endif /* AXON_FW_H */

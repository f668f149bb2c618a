/* SPDX-License-Identifier: MIT */
/*
 * rv32.h - a RISC-V core: RV32IMAC, Zicsr, Zifencei, machine mode only.
 *
 * An interpreter with a decode cache. It knows nothing of the card and must never learn of it: one
 * RAM, which it reads and writes directly, and callbacks for every other address. One thread.
 */
#ifndef AXON_MODEL_RV32_H
#define AXON_MODEL_RV32_H

#include <stdbool.h>
#include <stdint.h>

struct axon_rv32;

/**
 * struct axon_rv32_bus - what the core is connected to
 * @ram: executable memory, 4-byte aligned, caller's; the only memory with atomics
 * @ram_base: its address, a multiple of 4
 * @ram_size: a multiple of 4, 4..2^30; @ram_base + @ram_size does not pass 2^32
 * @load: read @size (1, 2, 4) naturally aligned bytes elsewhere; false: access fault
 * @store: write them; false: access fault
 * @opaque: for the callbacks
 *
 * The callbacks may call axon_rv32_set_irq() and nothing else of this header that changes the core.
 */
struct axon_rv32_bus {
	uint8_t *ram;
	uint32_t ram_base;
	uint32_t ram_size;
	bool (*load)(void *opaque, uint32_t addr, unsigned int size, uint32_t *value);
	bool (*store)(void *opaque, uint32_t addr, unsigned int size, uint32_t value);
	void *opaque;
};

enum axon_rv32_state {
	AXON_RV32_RUNNING = 0,		/* the instructions asked for were executed */
	AXON_RV32_WAITING = 1,		/* in WFI, no enabled interrupt is pending */
	AXON_RV32_STOPPED = 2,		/* for good: see struct axon_rv32_stop */
};

/**
 * struct axon_rv32_stop - why the core stopped
 * @no_handler: a trap with mtvec == 0; otherwise the first instruction of the handler trapped
 * @cause: mcause of the trap that could not be taken
 * @epc: its mepc
 * @tval: its mtval
 */
struct axon_rv32_stop {
	bool no_handler;
	uint32_t cause;
	uint32_t epc;
	uint32_t tval;
};

/* Interrupt lines: bit numbers of mip and mie. */
enum axon_rv32_irq {
	AXON_RV32_IRQ_SOFTWARE = 3,
	AXON_RV32_IRQ_TIMER = 7,
	AXON_RV32_IRQ_EXTERNAL = 11,
};

/* Exceptions, as in mcause. */
enum axon_rv32_cause {
	AXON_RV32_FETCH_ACCESS = 1,
	AXON_RV32_ILLEGAL = 2,
	AXON_RV32_BREAKPOINT = 3,
	AXON_RV32_LOAD_MISALIGNED = 4,
	AXON_RV32_LOAD_ACCESS = 5,
	AXON_RV32_STORE_MISALIGNED = 6,
	AXON_RV32_STORE_ACCESS = 7,
	AXON_RV32_ECALL = 11,
};

/**
 * axon_rv32_create() - make a core; axon_rv32_reset() must follow before it runs
 * @bus: copied
 * @cpu: result
 *
 * Return: 0, -EINVAL (RAM), -ENOMEM.
 */
int axon_rv32_create(const struct axon_rv32_bus *bus, struct axon_rv32 **cpu);
void axon_rv32_destroy(struct axon_rv32 *cpu);

/* Registers, CSRs, counters and interrupt lines are 0, decoded code is forgotten, pc is @pc. */
void axon_rv32_reset(struct axon_rv32 *cpu, uint32_t pc);

/**
 * axon_rv32_run() - execute up to @max instructions
 *
 * Interrupts are taken at the start, and after each instruction that can change what is pending
 * or enabled: CSR writes, mret, wfi, and every access that went through a callback.
 */
enum axon_rv32_state axon_rv32_run(struct axon_rv32 *cpu, uint32_t max);

void axon_rv32_set_irq(struct axon_rv32 *cpu, enum axon_rv32_irq irq, bool level);
/* Is an interrupt pending that mie enables (so that WFI would not wait)? */
bool axon_rv32_wakeable(const struct axon_rv32 *cpu);
/* Did the last run end in WFI? */
bool axon_rv32_waiting(const struct axon_rv32 *cpu);
bool axon_rv32_irq_enabled(const struct axon_rv32 *cpu, enum axon_rv32_irq irq);

uint32_t axon_rv32_reg(const struct axon_rv32 *cpu, unsigned int reg);
void axon_rv32_set_reg(struct axon_rv32 *cpu, unsigned int reg, uint32_t value);
uint32_t axon_rv32_pc(const struct axon_rv32 *cpu);
/* Instructions executed since reset, those that trapped included; CSR writes do not change it. */
uint64_t axon_rv32_executed(const struct axon_rv32 *cpu);
struct axon_rv32_stop axon_rv32_stop(const struct axon_rv32 *cpu);

#endif /* AXON_MODEL_RV32_H */

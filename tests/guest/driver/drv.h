/* SPDX-License-Identifier: MIT */
/*
 * drv.h - what the driver's guest tests share: TAP, and one plain call an ioctl.
 *
 * Nothing is hidden: the tests are about the kernel's interface, so they do not use libaxon.
 * Calls return 0 or -errno.
 */
#ifndef DRV_H
#define DRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "axon_accel.h"
#include "axon_hw.h"
#include "axon_isa.h"

#define DRV_TIMEOUT_NS	(30ll * 1000000000)

/* TAP */
void ok(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* is @got what was wanted? says both if not */
void is(long long got, long long want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* plan and exit status */
int done(void);
/* end the test: going on makes no sense */
void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* nodes */
int drv_open(void);			/* first card; bails out */
int drv_open_nr(int nr);		/* -errno if there is no such node */
/* cards as the PCI bus has them, e.g. "0000:01:00.0" */
#define CARD_NAME	64
void card_name(int fd, char name[CARD_NAME]);		/* of an open node; bails out */
/* those that the driver is bound to, in their order on the bus, not by their nodes' numbers */
unsigned int cards_list(char name[][CARD_NAME], unsigned int max);
int card_open(const char *name);			/* its node, or -errno */
int card_driver(const char *what, const char *name);	/* "bind", "unbind" */
int card_open_soon(const char *name);			/* waits for the node; bails out */
/* through sysfs, as root */
enum card_how { CARD_STAYS, CARD_UNBOUND, CARD_REMOVED, CARD_RESET };
int card_take(const char *name, enum card_how how);
int card_bring_back(const char *name, enum card_how how);
int write_file(const char *path, const char *text);
/* first line of a file of the card's in sysfs; says what it is if it is not @want */
bool card_file_is(const char *name, const char *file, const char *want);

int drv_ioctl(int fd, unsigned long request, void *arg);
int drv_ioctl_once(int fd, unsigned long request, void *arg);	/* -EINTR after a signal */
int drv_query(int fd, uint32_t type, void *data, uint32_t *size);
int bo_create(int fd, uint64_t size, uint32_t region, uint32_t flags, uint32_t vm,
	      uint32_t *handle);
int bo_close(int fd, uint32_t handle);
int bo_offset(int fd, uint32_t handle, uint64_t *offset);
void *bo_map(int fd, uint32_t handle, uint64_t size);	/* NULL if it cannot be mapped */
int bo_info(int fd, uint32_t handle, struct drm_axon_bo_info *info);
int bo_export(int fd, uint32_t handle, int *dma_buf);
int bo_import(int fd, int dma_buf, uint32_t *handle);
uint32_t bo_pass(int from, uint32_t bo, int to);	/* the buffer as @to sees it; bails out */
uint64_t hbm_used(int fd);
int vm_create(int fd, uint32_t *vm);
int vm_destroy(int fd, uint32_t vm);
int vm_map(int fd, uint32_t vm, uint32_t bo, uint64_t offset, uint64_t addr, uint64_t size,
	   uint32_t flags);
int vm_unmap(int fd, uint32_t vm, uint64_t addr, uint64_t size);
int ctx_create(int fd, uint32_t vm, uint32_t *ctx);
int ctx_destroy(int fd, uint32_t ctx);
int ctx_state(int fd, uint32_t ctx, struct drm_axon_ctx_get_state *state);
int queue_create(int fd, uint32_t ctx, uint32_t core, uint32_t timeout_ms, uint32_t *queue);
int queue_destroy(int fd, uint32_t queue);
int queue_state(int fd, uint32_t queue, struct drm_axon_queue_get_state *state);
int syncobj_create(int fd, uint32_t *handle);
int syncobj_destroy(int fd, uint32_t handle);
int syncobj_wait(int fd, uint32_t handle, uint64_t point, int64_t timeout_ns);
/* error of the fence in a binary syncobj that has signalled: 0 or -errno, through a sync_file */
int syncobj_error(int fd, uint32_t handle);
/* its fence as a sync_file, which can be asked when the card is gone; poll() tells when it ends */
int syncobj_file(int fd, uint32_t handle);	/* bails out */
int fence_error(int fence_fd);			/* 0 or -errno; -EBUSY: has not ended */

int submit(int fd, uint32_t queue, const struct drm_axon_job *jobs, uint32_t num,
	   const struct drm_axon_sync *syncs, uint32_t num_syncs, uint64_t *seqno);
/* submit, wait for the end, give the fence's error */
int run(int fd, uint32_t queue, const struct drm_axon_job *jobs, uint32_t num);
/*
 * the same without a syncobj, since these cannot be made on a card that is gone; a context that was
 * banned meanwhile is -ECANCELED
 */
int go(int fd, uint32_t queue, struct drm_axon_job job);

struct drm_axon_job job_nop(void);
struct drm_axon_job job_copy(uint64_t dst, uint64_t src, uint64_t size);
struct drm_axon_job job_fill(uint64_t dst, uint8_t byte, uint64_t size);
struct drm_axon_job job_launch(uint64_t program, uint64_t args);

/* programs, written at @mem, which the card sees at @addr; one engine, sync */
enum { PROG_HALT, PROG_LOOP, PROG_STORE, PROG_LOAD, PROG_DEADLOCK, PROG_BAD_OPCODE, PROG_RUN_OUT };
/* @operand: PROG_STORE, PROG_LOAD: address accessed */
void prog_write(void *mem, uint64_t addr, int kind, uint64_t operand);
/* the same from instructions */
void prog_put(void *mem, uint64_t addr, const struct axon_inst *code, uint32_t n);
struct axon_inst inst(uint8_t opcode);
struct axon_inst inst_ctl(uint8_t opcode, uint8_t rd, uint8_t ra, uint64_t imm, uint8_t dtype);
struct axon_inst inst_branch(enum axon_cond cond, uint8_t ra, uint64_t imm, uint32_t target);

/**
 * struct env - a context with a queue, a page of code and a page of data
 * The addresses are the same in every one.
 */
struct env {
	int fd;
	uint32_t vm, ctx, queue, code, data;
	uint8_t *code_mem, *data_mem;
};
#define ENV_CODE	0x100000ull
#define ENV_DATA	0x200000ull
#define ENV_NOWHERE	0x700000000ull
#define ENV_SIZE	0x10000u
void env_open(struct env *e, uint32_t core, uint32_t timeout_ms);	/* bails out */
void env_attach(struct env *e, int fd, uint32_t core, uint32_t timeout_ms);
/* the card has taken up what it was given before: it is at work or waits; bails out */
void env_settle(struct env *e);
void env_close(struct env *e);

#endif /* DRV_H */

/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * axon_types.h - fixed-size types for every contract in this folder.
 *
 * The headers here are read by the kernel, by Linux user space and by the card's
 * bare-metal firmware, so this file is the only one that knows the difference.
 * Everything in the contracts is little endian, and so is every host supported.
 */
#ifndef AXON_TYPES_H
#define AXON_TYPES_H

#if defined(__KERNEL__) || defined(__linux__)
#include <linux/types.h>
#else
#include <stdint.h>
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int8_t __s8;
typedef int16_t __s16;
typedef int32_t __s32;
typedef int64_t __s64;
#endif

#ifdef __cplusplus
#define AXON_STATIC_ASSERT(cond, msg) static_assert(cond, msg)
#else
#define AXON_STATIC_ASSERT(cond, msg) _Static_assert(cond, msg)
#endif

#define AXON_ASSERT_SIZE(type, size) \
	AXON_STATIC_ASSERT(sizeof(type) == (size), #type " changed its size")
#define AXON_ASSERT_OFFSET(type, member, off) \
	AXON_STATIC_ASSERT(__builtin_offsetof(type, member) == (off), #type "." #member " moved")

AXON_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Axon contracts are little endian");

#endif /* AXON_TYPES_H */

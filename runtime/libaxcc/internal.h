/* SPDX-License-Identifier: MIT */
/*
 * internal.h - how the files of libaxcc meet.
 */
#ifndef AXON_LIBAXCC_INTERNAL_H
#define AXON_LIBAXCC_INTERNAL_H

#include "axcc/axcc.h"

#define AXCC_API	__attribute__((visibility("default")))

#endif /* AXON_LIBAXCC_INTERNAL_H */

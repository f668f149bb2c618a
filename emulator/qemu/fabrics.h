/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabrics.h - the fabrics of this QEMU, by name.
 */
#ifndef AXON_QEMU_FABRICS_H
#define AXON_QEMU_FABRICS_H

#include "axon_card.h"

typedef struct AxonFabric AxonFabric;

/**
 * axon_named_fabric_get() - the fabric of a name, made if this is its first card
 * @name: what its cards call it
 * @topology: "file=PATH" or a word of axon_fabric_parse()
 * @cards: places
 * @errp: why there is none: what was asked for cannot be, or differs from what there is
 *
 * Under the BQL, like axon_named_fabric_put(). Return: the fabric with one more user, or NULL.
 */
AxonFabric *axon_named_fabric_get(const char *name, const char *topology, uint32_t cards,
				  Error **errp);

/** axon_named_fabric_put() - one user less; the last takes it along. NULL is fine. */
void axon_named_fabric_put(AxonFabric *f);

/** axon_named_fabric_of() - what the model calls a fabric; NULL if @f is */
struct axon_fabric *axon_named_fabric_of(AxonFabric *f);

#endif /* AXON_QEMU_FABRICS_H */

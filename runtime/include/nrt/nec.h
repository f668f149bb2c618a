/* SPDX-License-Identifier: MIT */
/*
 * nec.h - limits of the published collectives engine. Internal there and without known users; only
 * the numbers are given, for source compatibility.
 */
#ifndef NEC_H
#define NEC_H

#include <stdint.h>

#define NEC_MAX_CHANNELS		32
#define NEC_MAX_NR_CHUNKS_PER_CHANNEL	32
#define NEC_MAX_FOLD_N			16
#define NEC_MAX_COMM_N			12
#define NEC_MAX_STREAM_N		4
#define NEC_MAX_NET_REQUESTS		128
#define NEC_MAX_KANGARING_RANKS		256

#endif /* NEC_H */

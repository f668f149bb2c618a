/* SPDX-License-Identifier: MIT */
/*
 * random.h - random numbers by their place in a sequence: splitmix64.
 *
 * A number depends on seed and place only, so that a training goes on where it stopped with nothing
 * to keep but the step, and any card can draw any row. Must never have a state.
 *
 * G. L. Steele, D. Lea, C. H. Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
 */
#ifndef TRAIN_RANDOM_H
#define TRAIN_RANDOM_H

#include <stdint.h>

/* Number @i, from 0, of the sequence of @seed. */
static inline uint64_t random_at(uint64_t seed, uint64_t i)
{
	uint64_t x = seed + (i + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

#endif /* TRAIN_RANDOM_H */

/* SPDX-License-Identifier: MIT */
/*
 * choose.h - which algorithm: the one whose predicted time is shortest. No thresholds: what is
 * written here may only compare predictions.
 */
#ifndef AXON_LIBAXCC_CHOOSE_H
#define AXON_LIBAXCC_CHOOSE_H

#include "algorithms.h"
#include "cost.h"

#define AXCC_MAX_CANDIDATES	16u

/*
 * As fast as the fastest is who takes at most this much more time, in percent. Of those the one
 * that moves the fewest bytes is taken, since memory has to bear them; then the one whose ranks
 * wait less often for others, since those may be late. The cost model charges for neither.
 */
#define AXCC_TIE_PERCENT	10u

/**
 * axcc_predict() - what an operation would cost with an algorithm
 * @req: the operation
 * @topo: where its ranks sit
 * @index: algorithm
 * @p: result
 * @why: as for axcc_schedule_build()
 *
 * What would be a very long schedule is looked at for two smaller counts; from there on time grows
 * evenly.
 *
 * Return: 0, -EINVAL, -ENOMEM, -EOPNOTSUPP.
 */
int axcc_predict(const struct axcc_request *req, const struct axcc_topology *topo, uint32_t index,
		 struct axcc_prediction *p, char *why);

/**
 * struct axcc_candidate - an algorithm that was looked at
 * @index: algorithm
 * @err: 0, or why it is none: -EOPNOTSUPP, -EINVAL (a way it needs is none)
 * @wanted: it is one of those that were asked for
 * @p: prediction
 * @why: with @err, in words
 */
struct axcc_candidate {
	uint32_t index;
	int err;
	bool wanted;
	struct axcc_prediction p;
	char why[AXCC_WHY_BYTES];
};

/**
 * struct axcc_choice - an algorithm was chosen
 * @wish: what was asked for, or NULL
 * @count: of @candidate
 * @best: index into @candidate
 * @fastest: same, of those that compete; @best is as fast, as AXCC_TIE_PERCENT has it
 * @candidate: all algorithms that do the operation
 */
struct axcc_choice {
	const char *wish;
	uint32_t count;
	uint32_t best;
	uint32_t fastest;
	struct axcc_candidate candidate[AXCC_MAX_CANDIDATES];
};

/** axcc_as_fast() - is @p as fast as @fastest, which is not slower? */
static inline bool axcc_as_fast(const struct axcc_prediction *p,
				const struct axcc_prediction *fastest)
{
	return (p->cycles - fastest->cycles) * 100 <= fastest->cycles * AXCC_TIE_PERCENT;
}

/** axcc_wish_check() - Return: 0; -EINVAL: axcc_choose() would not know such an algorithm */
int axcc_wish_check(const char *wish);

/**
 * axcc_choose() - choose an algorithm
 * @req: the operation
 * @topo: where its ranks sit
 * @wish: name or family to take if it can do the operation, else all compete; NULL: what the
 *	environment variable AXCC_ALGO says, or the fastest. "" also means the fastest
 * @all: predict also those that were not asked for
 * @choice: result
 *
 * The same arguments (and environment) always give the same, on every host.
 *
 * Return: 0, -EINVAL (also a wish that is the name of none), -ENOMEM, -EOPNOTSUPP (nobody can).
 */
int axcc_choose(const struct axcc_request *req, const struct axcc_topology *topo, const char *wish,
		bool all, struct axcc_choice *choice);

/**
 * axcc_schedule_best() - make the schedule of the best algorithm, and prove it
 * @report: with -EBADMSG: what is wrong with it; or NULL
 *
 * Arguments and result are those of axcc_choose(); also -EBADMSG: the verifier refuses it, which is
 * a bug of this library.
 */
struct axcc_report;
int axcc_schedule_best(const struct axcc_request *req, const struct axcc_topology *topo,
		       const char *wish, struct axcc_schedule **schedule,
		       struct axcc_report *report);

#endif /* AXON_LIBAXCC_CHOOSE_H */

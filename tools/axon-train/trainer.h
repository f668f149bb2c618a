/* SPDX-License-Identifier: MIT */
/*
 * trainer.h - the part of a training that runs on the cards: two programs and their tensors.
 *
 * The host gives tokens and the optimiser's numbers, and reads loss and norm. It must never compute
 * what the card should.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "save.h"

struct trainer;

/**
 * trainer_params() - numbers of the flat array of parameters
 * @c: settings, checked
 *
 * Return: how many, 0 for a shape that cannot be trained on the card.
 */
uint64_t trainer_params(const struct train_config *c);

/**
 * trainer_begin() - the parameters of a training that begins
 * @c: settings
 * @p: out: trainer_params() numbers
 *
 * Norms are 1. Any other number i of the flat array is a * (k / 2^23 - 1), where k is the upper 24
 * bits of random_at(seed, i) and a is 0.02 * sqrt(3), for wo and w2 divided by sqrt(2 * layers):
 * standard deviation 0.02, smaller where a layer adds to the residual stream (GPT-2).
 */
void trainer_begin(const struct train_config *c, float *p);

/**
 * trainer_open() - compile and load the programs, put the state on the cards
 * @t: the training, which stays; nrt_init() has been called
 * @cores: the core of each card, as for nrt_load()
 * @trainer: result
 * @err: message of a failure
 *
 * Return: 0 or a negative errno.
 */
int trainer_open(const struct training *t, const uint32_t *cores, struct trainer **trainer,
		 struct llm_error *err);
void trainer_close(struct trainer *trainer);

/**
 * trainer_step() - forward, backward and the optimiser, once
 * @trainer: programs
 * @t: the training; its loss and step are moved on
 * @corpus: its text
 * @norm: out: norm of the gradients
 * @err: message of a failure
 *
 * Return: 0 or a negative errno; -EDOM: the loss is no number any more.
 */
int trainer_step(struct trainer *trainer, struct training *t, const struct corpus *corpus,
		 float *norm, struct llm_error *err);

/*
 * Bring parameters and moments from the cards into @t. Return: 0 or a negative errno; -EIO: cards
 * have come to different bits.
 */
int trainer_fetch(struct trainer *trainer, struct training *t, struct llm_error *err);

#endif /* TRAIN_TRAINER_H */

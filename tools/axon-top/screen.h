/* SPDX-License-Identifier: MIT */
/*
 * screen.h - the terminal: shows a frame, scrolls it, reads keys. Knows nothing of cards.
 */
#ifndef AXON_TOP_SCREEN_H
#define AXON_TOP_SCREEN_H

#include "frame.h"

struct screen;

enum screen_event {
	SCREEN_TIMEOUT,		/* time for the next reading */
	SCREEN_QUIT,
	SCREEN_TOGGLE_FLOPS,
};

/* Takes the terminal over. Return: 0, -ENOTTY (none), -EINVAL (of an unknown kind), -ENOMEM. */
int screen_open(struct screen **s);
/* Gives the terminal back as it was. */
void screen_close(struct screen *s);

/**
 * screen_show() - show a frame until something happens
 * @s: screen
 * @f: what to show
 * @seconds: how long at most
 *
 * Scrolling and changes of the window's size are served here.
 */
enum screen_event screen_show(struct screen *s, const struct frame *f, double seconds);

#endif /* AXON_TOP_SCREEN_H */

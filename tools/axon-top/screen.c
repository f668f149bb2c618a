// SPDX-License-Identifier: MIT
/*
 * screen.c - the terminal, by ncurses.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "screen.h"

static const char keys[] = " q quit   up/down/page scroll   left/right pan   F % or TFLOP/s ";

/**
 * struct screen - state of the view
 * @term: what newterm() gave
 * @top: first line shown
 * @left: first column shown
 */
struct screen {
	SCREEN *term;
	int top;
	int left;
};

int screen_open(struct screen **out)
{
	struct screen *s;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	/* Not initscr(): that ends the process when it does not know the terminal. */
	s->term = newterm(NULL, stdout, stdin);
	if (!s->term) {
		free(s);
		return -EINVAL;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(FRAME_BAR, COLOR_GREEN, -1);
		init_pair(FRAME_BAD, COLOR_RED, -1);
	}
	*out = s;
	return 0;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	endwin();
	delscreen(s->term);
	free(s);
}

static attr_t style(enum frame_style s)
{
	switch (s) {
	case FRAME_TITLE:
		return A_BOLD | A_UNDERLINE;
	case FRAME_BAR:
		return COLOR_PAIR(FRAME_BAR);
	case FRAME_BAD:
		return COLOR_PAIR(FRAME_BAD) | A_BOLD;
	default:
		return A_NORMAL;
	}
}

static void draw(struct screen *s, const struct frame *f)
{
	int rows = LINES - 1, last = (int)f->count - rows;

	if (s->top > last)
		s->top = last;
	if (s->top < 0)
		s->top = 0;
	erase();
	for (int row = 0; row < rows && row + s->top < (int)f->count; row++) {
		const struct frame_line *line = &f->line[row + s->top];
		const char *text = line->text;

		for (int i = 0; i < s->left && *text; i++)
			text++;
		attrset(style(line->style));
		mvaddnstr(row, 0, text, COLS);
	}
	attrset(A_REVERSE);
	mvaddnstr(LINES - 1, 0, keys, COLS);
	attrset(A_NORMAL);
	refresh();
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

enum screen_event screen_show(struct screen *s, const struct frame *f, double seconds)
{
	double end = now() + seconds;

	for (;;) {
		double left = end - now();

		draw(s, f);
		if (left <= 0)
			return SCREEN_TIMEOUT;
		timeout((int)(left * 1000) + 1);
		switch (getch()) {
		case 'q':
		case 'Q':
			return SCREEN_QUIT;
		case 'F':
		case 'f':
			return SCREEN_TOGGLE_FLOPS;
		case KEY_UP:
			s->top--;
			break;
		case KEY_DOWN:
			s->top++;
			break;
		case KEY_PPAGE:
			s->top -= LINES - 1;
			break;
		case KEY_NPAGE:
			s->top += LINES - 1;
			break;
		case KEY_LEFT:
			s->left = s->left > 8 ? s->left - 8 : 0;
			break;
		case KEY_RIGHT:
			s->left = s->left < 512 ? s->left + 8 : s->left;
			break;
		case ERR:
			/* Also when the terminal is gone: getch() then returns at once. */
			if (!isatty(STDIN_FILENO))
				return SCREEN_QUIT;
			break;
		default:
			break;
		}
	}
}

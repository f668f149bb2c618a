/* SPDX-License-Identifier: MIT */
/* soft.c - see soft.h. */
#include <stdio.h>
#include <stdlib.h>

#include "soft.h"

#ifdef AXC_TEST_NRT

#include <string.h>

#include <nrt/nrt.h>
#include <nrt/nrt_experimental.h>

struct soft {
	nrt_model_t *model;
	nrt_tensor_set_t *in, *out;
	nrt_tensor_t *t[16];
	struct interp_tensor host[16];
	unsigned int n;
};

bool soft_open(void)
{
	setenv("AXON_DEVICE", "soft", 1);
	return nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", "") == NRT_SUCCESS;
}

void soft_close(void)
{
	nrt_close();
}

static bool ok(NRT_STATUS status, const char *what)
{
	if (status == NRT_SUCCESS)
		return true;
	fprintf(stderr, "soft card: %s: %s\n", what, nrt_get_status_as_str(status));
	return false;
}

/* A tensor goes into the sets whose names have it. */
struct soft *soft_load(const void *elf, size_t size, const struct interp_tensor *tensors,
		       unsigned int n)
{
	struct soft *s = calloc(1, sizeof(*s));
	nrt_tensor_info_array_t *info = NULL;
	uint64_t i;
	unsigned int j;

	if (!ok(nrt_load(elf, size, 0, 1, &s->model), "load") ||
	    !ok(nrt_allocate_tensor_set(&s->in), "set") ||
	    !ok(nrt_allocate_tensor_set(&s->out), "set") ||
	    !ok(nrt_get_model_tensor_info(s->model, &info), "tensor info"))
		goto bad;
	for (j = 0; j < n; j++) {
		s->host[j] = tensors[j];
		s->n = j + 1;
		if (!ok(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, tensors[j].size,
					    tensors[j].name, &s->t[j]), "allocate"))
			goto bad;
	}
	for (i = 0; i < info->tensor_count; i++) {
		const nrt_tensor_info_t *ti = &info->tensor_array[i];
		nrt_tensor_set_t *set = ti->usage == NRT_TENSOR_USAGE_INPUT ? s->in : s->out;

		for (j = 0; j < n; j++)
			if (!strcmp(tensors[j].name, ti->name) &&
			    !ok(nrt_add_tensor_to_tensor_set(set, ti->name, s->t[j]), "add"))
				goto bad;
	}
	nrt_free_model_tensor_info(info);
	return s;
bad:
	if (info)
		nrt_free_model_tensor_info(info);
	soft_free(s);
	return NULL;
}

void soft_free(struct soft *s)
{
	unsigned int i;

	if (!s)
		return;
	if (s->model)
		nrt_unload(s->model);
	if (s->in)
		nrt_destroy_tensor_set(&s->in);
	if (s->out)
		nrt_destroy_tensor_set(&s->out);
	for (i = 0; i < s->n; i++)
		if (s->t[i])
			nrt_tensor_free(&s->t[i]);
	free(s);
}

int soft_run(struct soft *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (!ok(nrt_tensor_write(s->t[i], s->host[i].data, 0, s->host[i].size), "write"))
			return -1;
	if (!ok(nrt_execute(s->model, s->in, s->out), "execute"))
		return -1;
	for (i = 0; i < s->n; i++)
		if (!ok(nrt_tensor_read(s->t[i], s->host[i].data, 0, s->host[i].size), "read"))
			return -1;
	return 0;
}

#else

bool soft_open(void)
{
	return false;
}

void soft_close(void)
{
}

struct soft *soft_load(const void *elf, size_t size, const struct interp_tensor *tensors,
		       unsigned int n)
{
	return NULL;
}

void soft_free(struct soft *s)
{
}

int soft_run(struct soft *s)
{
	return -1;
}

#endif

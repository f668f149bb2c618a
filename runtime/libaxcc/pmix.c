// SPDX-License-Identifier: MIT
/*
 * pmix.c - processes of a parallel job meet without being told where: mpirun and srun say who they
 * are and hand the id around (PMIx). A process that has taken leave of PMIx cannot come back, so
 * it stays until it exits.
 */
#include <errno.h>
#include <pmix.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "library.h"

#define NAME	"libpmix.so.2"

/**
 * struct pmix - the library; only who was started by such a launcher loads it
 * @self: this process
 * @pid: which has PMIx open, not a child of it; 0: none
 * @err: why it cannot be used
 *
 * The others are functions of its. Its macros for values call some that are not here.
 */
static struct pmix {
	typeof(PMIx_Init) *init;
	typeof(PMIx_Finalize) *finalize;
	typeof(PMIx_Put) *put;
	typeof(PMIx_Commit) *commit;
	typeof(PMIx_Fence) *fence;
	typeof(PMIx_Get) *get;
	typeof(PMIx_Value_destruct) *value_destruct;
	pmix_proc_t self;
	pid_t pid;
	int err;
} pmix;

static int pmix_error(pmix_status_t status)
{
	switch (status) {
	case PMIX_SUCCESS:
		return 0;
	case PMIX_ERR_NOMEM:
		return -ENOMEM;
	case PMIX_ERR_TIMEOUT:
		return -ETIME;
	case PMIX_ERR_NOT_FOUND:
		return -ENODATA;
	default:
		return -EIO;
	}
}

static void open_pmix(void)
{
	const struct cc_symbol symbols[] = {
		{ "PMIx_Init", &pmix.init },
		{ "PMIx_Finalize", &pmix.finalize },
		{ "PMIx_Put", &pmix.put },
		{ "PMIx_Commit", &pmix.commit },
		{ "PMIx_Fence", &pmix.fence },
		{ "PMIx_Get", &pmix.get },
		{ "PMIx_Value_destruct", &pmix.value_destruct },
	};

	if (!cc_library_load(NAME, symbols, sizeof(symbols) / sizeof(symbols[0]), NULL, 0)) {
		pmix.err = -ELIBACC;
		return;
	}
	pmix.err = pmix_error(pmix.init(&pmix.self, NULL, 0));
	if (!pmix.err)
		pmix.pid = getpid();
}

/* The launcher takes who exits without a word for crashed. */
__attribute__((destructor)) static void close_pmix(void)
{
	if (pmix.pid == getpid())
		pmix.finalize(NULL, 0);
}

/**
 * struct meeting - of all processes of the job
 * @all: they
 * @key: under which the id is published: another each time, for PMIx remembers what it has got
 * @seconds: how long to wait
 */
struct meeting {
	pmix_proc_t all;
	char key[32];
	int seconds;
};

static void set_key(char *to, const char *key)
{
	snprintf(to, PMIX_MAX_KEYLEN + 1, "%s", key);
}

/* The caller frees the value. */
static int get(const pmix_proc_t *of, const char *key, pmix_value_t **value)
{
	pmix_key_t name;

	set_key(name, key);
	return pmix_error(pmix.get(of, name, NULL, 0, value));
}

static void value_free(pmix_value_t *value)
{
	pmix.value_destruct(value);
	free(value);
}

static int get_number(const pmix_proc_t *of, const char *key, uint32_t *number)
{
	pmix_value_t *value;
	int err = get(of, key, &value);

	if (err)
		return err;
	if (value->type == PMIX_UINT32)
		*number = value->data.uint32;
	else if (value->type == PMIX_UINT16)
		*number = value->data.uint16;
	else
		err = -EPROTO;
	value_free(value);
	return err;
}

static int get_job(const struct meeting *m, struct axcc_job *job)
{
	int err = get_number(&m->all, PMIX_JOB_SIZE, &job->processes);

	if (!err)
		err = get_number(&pmix.self, PMIX_LOCAL_RANK, &job->local_process);
	job->process = pmix.self.rank;
	return err;
}

/* Until all processes are here; what they have put is brought along. */
static int fence(const struct meeting *m)
{
	pmix_info_t info[2] = {
		{ .value = { .type = PMIX_BOOL, .data.flag = true } },
		{ .value = { .type = PMIX_INT, .data.integer = m->seconds } },
	};

	set_key(info[0].key, PMIX_COLLECT_DATA);
	set_key(info[1].key, PMIX_TIMEOUT);
	return pmix_error(pmix.fence(&m->all, 1, info, 2));
}

/* The first process makes the root and puts its id. */
static int put_id(const struct meeting *m, struct axcc_unique_id *id, struct axcc_root **root)
{
	pmix_value_t value = { .type = PMIX_BYTE_OBJECT };
	int err = axcc_root_create(NULL, root, id);

	if (err)
		return err;
	value.data.bo.bytes = (char *)id->bytes;
	value.data.bo.size = sizeof(id->bytes);
	err = pmix_error(pmix.put(PMIX_GLOBAL, m->key, &value));
	return err ? err : pmix_error(pmix.commit());
}

static int get_id(const struct meeting *m, struct axcc_unique_id *id)
{
	pmix_proc_t first = pmix.self;
	pmix_value_t *value;
	int err;

	first.rank = 0;
	err = get(&first, m->key, &value);
	if (err)
		return err;
	if (value->type == PMIX_BYTE_OBJECT && value->data.bo.size == sizeof(id->bytes))
		memcpy(id->bytes, value->data.bo.bytes, sizeof(id->bytes));
	else
		err = -EPROTO;
	value_free(value);
	return err;
}

static int exchange(const struct meeting *m, struct axcc_unique_id *id, struct axcc_root **root)
{
	int err = pmix.self.rank ? 0 : put_id(m, id, root), other;

	/* Also after a failure: the others wait. They find no id then. */
	other = fence(m);
	if (!err)
		err = other;
	return err || !pmix.self.rank ? err : get_id(m, id);
}

static void begin(struct meeting *m, uint32_t timeout_ms)
{
	static atomic_uint times;
	const uint32_t ms = timeout_ms ? timeout_ms : AXCC_DEFAULT_TIMEOUT_MS;

	m->all = pmix.self;
	m->all.rank = PMIX_RANK_WILDCARD;
	snprintf(m->key, sizeof(m->key), "axcc.unique_id.%u", atomic_fetch_add(&times, 1));
	m->seconds = (int)(ms / 1000) + 1;
}

AXCC_API int axcc_unique_id_from_pmix(uint32_t timeout_ms, struct axcc_unique_id *id,
				      struct axcc_job *job, struct axcc_root **root)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct meeting m;
	int err;

	if (!id || !job || !root)
		return -EINVAL;
	*root = NULL;
	/* Without a launcher PMIx would make the process a job of its own. */
	if (!getenv("PMIX_NAMESPACE"))
		return -ENOENT;
	pthread_once(&once, open_pmix);
	if (pmix.err)
		return pmix.err;
	begin(&m, timeout_ms);
	err = get_job(&m, job);
	if (!err)
		err = exchange(&m, id, root);
	if (err) {
		axcc_root_destroy(*root);
		*root = NULL;
	}
	return err;
}

// SPDX-License-Identifier: MIT
/*
 * profile.c - nrt_profile_start(), nrt_profile_stop(): what a model's executions did on the card.
 *
 * The card writes a record for every instruction and DMA transfer; the newest execution's are kept.
 * The file is the JSON of trace viewers ("traceEvents"): one track for each engine and DMA queue,
 * times in microseconds of the card's reference clock. Costs are the model's, see isa.rst.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Records that fit: 32 MiB of the card's memory while a profile runs. */
#define MAX_RECORDS	(1u << 20)

/**
 * struct profile - the one profile that may run at a time
 * @lock: guards the rest
 * @model: of it, or NULL
 * @mem: records
 * @records: the same for the CPU
 * @filename: where they go
 */
static struct profile {
	pthread_mutex_t lock;
	struct nrt_model *model;
	struct nrt_mem mem;
	const struct axon_profile_record *records;
	char *filename;
} profile = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *opcode_name(unsigned int opcode)
{
	static const char *const name[] = {
		[AXON_OP_NOP] = "NOP",
		[AXON_OP_HALT] = "HALT",
		[AXON_OP_REG_ALU] = "REG_ALU",
		[AXON_OP_REG_LOAD] = "REG_LOAD",
		[AXON_OP_REG_STORE] = "REG_STORE",
		[AXON_OP_BRANCH] = "BRANCH",
		[AXON_OP_DMA] = "DMA",
		[AXON_OP_DMA_RING] = "DMA_RING",
		[AXON_OP_MATMUL] = "MATMUL",
		[AXON_OP_TRANSPOSE] = "TRANSPOSE",
		[AXON_OP_COPY] = "COPY",
		[AXON_OP_MEMSET] = "MEMSET",
		[AXON_OP_TENSOR_TENSOR] = "TENSOR_TENSOR",
		[AXON_OP_TENSOR_SCALAR] = "TENSOR_SCALAR",
		[AXON_OP_TENSOR_REDUCE] = "TENSOR_REDUCE",
		[AXON_OP_ACTIVATION] = "ACTIVATION",
		[AXON_OP_SELECT] = "SELECT",
		[AXON_OP_MAX8] = "MAX8",
		[AXON_OP_FIND_INDEX8] = "FIND_INDEX8",
		[AXON_OP_AFFINE_SELECT] = "AFFINE_SELECT",
		[AXON_OP_IOTA] = "IOTA",
		[AXON_OP_PARTITION_REDUCE] = "PARTITION_REDUCE",
		[AXON_OP_PARTITION_BROADCAST] = "PARTITION_BROADCAST",
	};

	if (opcode >= sizeof(name) / sizeof(name[0]) || !name[opcode])
		return "?";
	return name[opcode];
}

/* ---- writing ---- */

static double microseconds(uint64_t cycles)
{
	return (double)cycles * 1e6 / (double)AXON_REF_CLOCK_HZ;
}

static void write_track(FILE *file, unsigned int tid, const char *kind, const char *name)
{
	fprintf(file, "{\"ph\":\"M\",\"pid\":0,\"tid\":%u,\"name\":\"%s\",", tid, kind);
	fprintf(file, "\"args\":{\"name\":\"%s\"}}", name);
}

static void write_tracks(FILE *file)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < AXON_NUM_STREAMS; i++) {
		write_track(file, i, "thread_name", nrt_engine_name(i));
		fputs(",\n", file);
	}
	for (i = 0; i < AXON_NUM_DMA_QUEUES; i++) {
		snprintf(name, sizeof(name), "DMA queue %u", i);
		write_track(file, 0x80 | i, "thread_name", name);
		fputs(",\n", file);
	}
}

static void write_record(FILE *file, const struct axon_profile_record *r)
{
	fprintf(file, "{\"ph\":\"X\",\"pid\":0,\"tid\":%u,\"name\":\"%s\",", r->engine,
		opcode_name(r->opcode));
	fprintf(file, "\"ts\":%.6f,\"dur\":%.6f,", microseconds(r->start),
		microseconds(r->end - r->start));
	fprintf(file, "\"args\":{\"pc\":%u,\"start_cycle\":%llu,\"end_cycle\":%llu}},\n",
		r->pc, (unsigned long long)r->start, (unsigned long long)r->end);
}

static NRT_STATUS write_file(const char *filename, uint32_t count)
{
	FILE *file = fopen(filename, "we");
	uint32_t have = count < MAX_RECORDS ? count : MAX_RECORDS;
	bool bad;
	uint32_t i;

	if (!file) {
		nrt_err(NRT, "%s: %s", filename, strerror(errno));
		return NRT_FAILURE;
	}
	if (have < count)
		nrt_warn(NRT, "the execution made %u records, the first %u are kept", count, have);
	fprintf(file, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"records\":%u},\n", count);
	fputs("\"traceEvents\":[\n", file);
	write_tracks(file);
	for (i = 0; i < have; i++)
		write_record(file, &profile.records[i]);
	/* An event to end on, so that every one before it may have its comma. */
	write_track(file, 0, "process_name", "Axon core");
	fputs("\n]}\n", file);
	bad = ferror(file);
	bad |= fclose(file) != 0;
	if (bad)
		nrt_err(NRT, "%s: writing failed", filename);
	return bad ? NRT_FAILURE : NRT_SUCCESS;
}

/* ---- beginning and end ---- */

static NRT_STATUS start_locked(struct nrt_model *model, const char *filename)
{
	struct nrt_piece piece = {
		.size = (uint64_t)MAX_RECORDS * sizeof(struct axon_profile_record),
		.flags = DRM_AXON_BIND_NOEXEC,
	};
	int err;

	if (profile.model) {
		nrt_err(NRT, "a profile runs already");
		return NRT_FAILURE;
	}
	profile.filename = strdup(filename);
	if (!profile.filename)
		return NRT_RESOURCE;
	err = nrt_mem_alloc(nrt_model_core(model)->card, DRM_AXON_REGION_HOST, false, &piece,
			    1, &profile.mem);
	if (err) {
		free(profile.filename);
		nrt_err(NRT, "no memory for a profile: %s", strerror(-err));
		return nrt_status_of(err);
	}
	profile.model = model;
	profile.records = (const struct axon_profile_record *)piece.ptr;
	nrt_model_profile(model, piece.addr, MAX_RECORDS);
	return NRT_SUCCESS;
}

NRT_API NRT_STATUS nrt_profile_start(nrt_model_t *model, const char *filename)
{
	nrt_model_info_t info;
	NRT_STATUS status = nrt_ready();

	if (status)
		return status;
	if (!filename || !*filename)
		return NRT_INVALID;
	/* Says whether the handle is alive. */
	status = nrt_get_model_info(model, &info, sizeof(info), NULL);
	if (status)
		return status;
	pthread_mutex_lock(&profile.lock);
	status = start_locked(model, filename);
	pthread_mutex_unlock(&profile.lock);
	return status;
}

static void end_locked(void)
{
	nrt_mem_free(&profile.mem);
	free(profile.filename);
	profile.filename = NULL;
	profile.model = NULL;
}

NRT_API NRT_STATUS nrt_profile_stop(const char *filename)
{
	NRT_STATUS status = nrt_ready();
	uint32_t count;

	if (status)
		return status;
	pthread_mutex_lock(&profile.lock);
	if (!profile.model) {
		nrt_err(NRT, "no profile runs");
		status = NRT_FAILURE;
	} else {
		count = nrt_model_profile(profile.model, 0, 0);
		status = write_file(filename && *filename ? filename : profile.filename, count);
		end_locked();
	}
	pthread_mutex_unlock(&profile.lock);
	return status;
}

/* The model is unloaded, or all are: what was recorded is lost. */
void nrt_profile_forget(const struct nrt_model *model)
{
	pthread_mutex_lock(&profile.lock);
	if (profile.model && (!model || profile.model == model)) {
		nrt_warn(NRT, "a profile is given up with its model: it was not stopped");
		end_locked();
	}
	pthread_mutex_unlock(&profile.lock);
}

// SPDX-License-Identifier: MIT
/*
 * missing.c - functions of the published headers that this version cannot carry out.
 *
 * Each says so in the log and returns an error; none pretends. The list stands in libnrt(7) too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define MISSING(status)	return nrt_missing(__func__, status)

/* ---- network ---- */

NRT_API void *nrt_get_libnccl_net(int *err, char *err_msg, size_t err_msg_size)
{
	nrt_missing(__func__, NRT_FAILURE);
	if (err)
		*err = ENOSYS;
	if (err_msg && err_msg_size)
		snprintf(err_msg, err_msg_size, "no network plugin in this version");
	return NULL;
}

/* ---- memory of others ---- */

NRT_API NRT_STATUS nrt_get_hbm_mmap_va(int device_id, int hbm_idx, void **addr, size_t *size)
{
	/* Documented: NRT_INVALID is "unsupported". */
	MISSING(NRT_INVALID);
}

NRT_API NRT_STATUS nrt_get_attached_efa_bdf(const void *va, char *efa_bdf, size_t *len)
{
	MISSING(NRT_FAILURE);
}

/* ---- microcode: the gpsimd engine has no user code ---- */

NRT_API NRT_STATUS nrt_set_pool_eng_ucode(const nrt_ucode_info *ucode_info)
{
	MISSING(NRT_FAILURE);
}

/* ---- the implicit asynchronous mode, which the published runtime removed as well ---- */

NRT_API NRT_STATUS nrt_register_async_exec_callback(NRT_ASYNC_EXEC_STATUS_CALLBACK callback,
						    void *params)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_drain_queued_execs(int32_t vnc)
{
	/* nrt_execute() has ended when it returns: there is never one to drain. */
	return nrt_ready();
}

/* ---- send and receive ---- */

NRT_API NRT_STATUS nrt_async_sendrecv_get_max_num_communicators_per_lnc(int *num)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_get_max_num_pending_request(int *num)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_init(int lnc)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_close(int lnc)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_connect(const char *peer_ip, int peer_lnc, int lnc,
					      nrt_async_sendrecv_comm_t **send_comm)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_accept(const char *peer_ip, int peer_lnc, int lnc,
					     nrt_async_sendrecv_comm_t **recv_comm)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_test_comm(nrt_async_sendrecv_comm_t *comm, bool *done)
{
	MISSING(NRT_INVALID_HANDLE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_send_tensor(nrt_tensor_t *tensor, size_t offset,
						  size_t length,
						  nrt_async_sendrecv_comm_t *send_comm,
						  nrt_async_sendrecv_request_t **request)
{
	MISSING(NRT_INVALID_HANDLE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_recv_tensor(nrt_tensor_t *tensor, size_t offset,
						  size_t length,
						  nrt_async_sendrecv_comm_t *recv_comm,
						  nrt_async_sendrecv_request_t **request)
{
	MISSING(NRT_INVALID_HANDLE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_test_request(nrt_async_sendrecv_request_t *request,
						   bool *done, size_t *size)
{
	MISSING(NRT_INVALID_HANDLE);
}

NRT_API NRT_STATUS nrt_async_sendrecv_flush(int lnc)
{
	MISSING(NRT_FAILURE);
}

/* ---- tensors printed by kernels ---- */

NRT_API NRT_STATUS nrt_debug_client_connect(int logical_nc_idx, int *stream_fd)
{
	MISSING(NRT_FAILURE);
}

NRT_API void nrt_debug_client_connect_close(int stream_fd)
{
	nrt_missing(__func__, NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_debug_client_read_one_event(int stream_fd,
						   ndebug_stream_event_header_t *header,
						   void **payload)
{
	MISSING(NRT_FAILURE);
}

/* ---- profiles ---- */

NRT_API NRT_STATUS nrt_trace_start(bool trace_mem)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_trace_stop(const char *filename)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_profile_continuous_options_allocate(nrt_profile_continuous_options_t **options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_profile_continuous_options_free(nrt_profile_continuous_options_t *options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_profile_continuous_options_set_output_dir(nrt_profile_continuous_options_t *options,
					      const char *output_dir)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_profile_continuous_start(nrt_profile_continuous_options_t *options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_profile_continuous_save(uint32_t vnc,
					       nrt_profile_continuous_options_t *options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_profile_continuous_stop(void)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_begin(void)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_stop(void)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_allocate(nrt_inspect_config_t **options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_set_defaults(nrt_inspect_config_t *options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_free(nrt_inspect_config_t *options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_set_session_id(nrt_inspect_config_t *options,
						     int session_id)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_set_output_dir(nrt_inspect_config_t *options,
						     const char *output_dir)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_inspect_config_set_sys_trace_max_events_per_nc(nrt_inspect_config_t *options,
						   uint64_t sys_trace_max_events_per_nc)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_inspect_config_set_capture_enabled_for_nc(nrt_inspect_config_t *options, uint32_t nc_idx,
					      bool enabled)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_inspect_config_set_capture_enabled_for_event_type_string(nrt_inspect_config_t *options,
							     const char *event_type, bool enabled)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_set_enable_inspect(nrt_inspect_config_t *options,
							 bool enable_inspect)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS
nrt_inspect_config_set_enable_inspect_on_fail(nrt_inspect_config_t *options,
					      bool enable_inspect_on_fail)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_begin_with_options(nrt_inspect_config_t *options)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_get_all_activity_types(const char ***activity_types,
							     size_t *count)
{
	MISSING(NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_get_enabled_activity_types(nrt_inspect_config_t *options,
								 const char ***activity_types,
								 size_t *count)
{
	MISSING(NRT_FAILURE);
}

NRT_API void nrt_inspect_config_free_activity_types(const char **activity_types, size_t count)
{
	nrt_missing(__func__, NRT_FAILURE);
}

NRT_API NRT_STATUS nrt_inspect_config_set_activity(nrt_inspect_config_t *options,
						   const char *activity_type, bool enabled)
{
	MISSING(NRT_FAILURE);
}

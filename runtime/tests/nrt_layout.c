// SPDX-License-Identifier: MIT
/*
 * nrt_layout.c - values and layouts of the published headers. Compiled as C11 and as C++17.
 */
#include <nrt/nrt.h>
#include <nrt/ndebug_stream.h>
#include <nrt/nrt_async.h>
#include <nrt/nrt_async_sendrecv.h>
#include <nrt/nrt_experimental.h>
#include <nrt/nrt_profile.h>
#include <nrt/nrt_status.h>
#include <nrt/nrt_sys_trace.h>
#include <nrt/nrt_version.h>
#include <nrt/nec.h>
#include <nrt/nds/neuron_ds.h>
#include <ndl/ndl.h>
#include <ndl/neuron_driver_shared.h>
#include <ndl/neuron_driver_shared_tensor_batch_op.h>

#ifndef __cplusplus
#define static_assert _Static_assert
#endif
#define VALUE(name, value) static_assert((int)(name) == (value), #name)
#define SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#define AT(type, member, offset) \
	static_assert(offsetof(type, member) == (offset), #type "." #member)

VALUE(NRT_SUCCESS, 0);
VALUE(NRT_FAILURE, 1);
VALUE(NRT_INVALID, 2);
VALUE(NRT_INVALID_HANDLE, 3);
VALUE(NRT_RESOURCE, 4);
VALUE(NRT_TIMEOUT, 5);
VALUE(NRT_HW_ERROR, 6);
VALUE(NRT_QUEUE_FULL, 7);
VALUE(NRT_LOAD_NOT_ENOUGH_NC, 9);
VALUE(NRT_UNSUPPORTED_NEFF_VERSION, 10);
VALUE(NRT_FAIL_HOST_MEM_ALLOC, 11);
VALUE(NRT_UNINITIALIZED, 13);
VALUE(NRT_CLOSED, 14);
VALUE(NRT_QUEUE_EMPTY, 15);
VALUE(NRT_EXEC_UNIT_UNRECOVERABLE, 101);
VALUE(NRT_EXEC_BAD_INPUT, 1002);
VALUE(NRT_EXEC_COMPLETED_WITH_NUM_ERR, 1003);
VALUE(NRT_EXEC_COMPLETED_WITH_ERR, 1004);
VALUE(NRT_EXEC_NC_BUSY, 1005);
VALUE(NRT_EXEC_OOB, 1006);
VALUE(NRT_COLL_PENDING, 1100);
VALUE(NRT_EXEC_HW_ERR_COLLECTIVES, 1200);
VALUE(NRT_EXEC_HW_ERR_HBM_UE, 1201);
VALUE(NRT_EXEC_HW_ERR_NC_UE, 1202);
VALUE(NRT_EXEC_HW_ERR_DMA_ABORT, 1203);
VALUE(NRT_EXEC_SW_NQ_OVERFLOW, 1204);
VALUE(NRT_EXEC_HW_ERR_REPAIRABLE_HBM_UE, 1205);
VALUE(NRT_NETWORK_PROXY_FAILURE, 1206);

VALUE(NRT_MAJOR_VERSION, 2);
VALUE(NRT_MINOR_VERSION, 0);
VALUE(NRT_TENSOR_PLACEMENT_DEVICE, 0);
VALUE(NRT_TENSOR_PLACEMENT_HOST, 1);
VALUE(NRT_TENSOR_PLACEMENT_VIRTUAL, 2);
VALUE(NRT_FRAMEWORK_TYPE_INVALID, 0);
VALUE(NRT_FRAMEWORK_TYPE_NO_FW, 1);
VALUE(NRT_FRAMEWORK_TYPE_TENSORFLOW, 2);
VALUE(NRT_FRAMEWORK_TYPE_PYTORCH, 3);
VALUE(NRT_FRAMEWORK_TYPE_MXNET, 4);
VALUE(NRT_FRAMEWORK_TYPE_PRECHECK, 5);
VALUE(NRT_INSTANCE_UNKNOWN, 0);
VALUE(NRT_INSTANCE_INF1, 1);
VALUE(NRT_INSTANCE_TRN1, 2);
VALUE(NRT_INSTANCE_TRN1N, 3);
VALUE(NRT_INSTANCE_INF2, 4);
VALUE(NRT_INSTANCE_TRN2, 5);
VALUE(NRT_INSTANCE_TRN2N, 6);
VALUE(NRT_INSTANCE_INF2E, 7);
VALUE(NRT_INSTANCE_TRN2P, 8);
VALUE(NRT_INSTANCE_TRN2U, 9);
VALUE(NRT_INSTANCE_TRN2E, 10);
VALUE(NRT_INSTANCE_TRN2EU, 11);
VALUE(NRT_INSTANCE_TRN2AC, 12);
VALUE(NRT_INSTANCE_TRN2UAC, 13);
VALUE(NRT_INSTANCE_TRN3, 14);
VALUE(NRT_INSTANCE_TRN3PDS98, 15);
VALUE(NRT_INSTANCE_SIZE_1XL, 0);
VALUE(NRT_INSTANCE_SIZE_2XL, 1);
VALUE(NRT_INSTANCE_SIZE_4XL, 2);
VALUE(NRT_INSTANCE_SIZE_6XL, 3);
VALUE(NRT_INSTANCE_SIZE_8XL, 4);
VALUE(NRT_INSTANCE_SIZE_24XL, 5);
VALUE(NRT_INSTANCE_SIZE_32XL, 6);
VALUE(NRT_INSTANCE_SIZE_48XL, 7);
VALUE(NRT_INSTANCE_SIZE_3XL, 8);
VALUE(NRT_INSTANCE_SIZE_UNKNOWN, 9);
VALUE(NRT_INSTANCE_SIZE_NUM, 9);
VALUE(NRT_OP_ADD, 0);
VALUE(NRT_OP_FMA, 1);
VALUE(NRT_OP_MAX, 2);
VALUE(NRT_OP_MIN, 3);
VALUE(NRT_OP_INVALID, 0xF);
VALUE(NRT_DTYPE_UNKNOWN, 0);
VALUE(NRT_DTYPE_INVALID, 0);
VALUE(NRT_DTYPE_UINT64, 1);
VALUE(NRT_DTYPE_INT8, 2);
VALUE(NRT_DTYPE_UINT8, 3);
VALUE(NRT_DTYPE_INT16, 4);
VALUE(NRT_DTYPE_UINT16, 5);
VALUE(NRT_DTYPE_BFLOAT16, 6);
VALUE(NRT_DTYPE_FLOAT16, 7);
VALUE(NRT_DTYPE_INT32, 8);
VALUE(NRT_DTYPE_UINT32, 9);
VALUE(NRT_DTYPE_FLOAT32, 0xA);
VALUE(NRT_DTYPE_FP32R, 0xB);
VALUE(NRT_DTYPE_INT64, 0xC);
VALUE(NRT_DTYPE_FP8_E3, 0xD);
VALUE(NRT_DTYPE_FP8_E4, 0xE);
VALUE(NRT_DTYPE_FP8_E5, 0xF);
VALUE(NRT_CC_ALLGATHER, 0);
VALUE(NRT_CC_ALLREDUCE, 1);
VALUE(NRT_CC_REDUCESCATTER, 2);
VALUE(NRT_TENSOR_USAGE_INPUT, 0);
VALUE(NRT_TENSOR_USAGE_OUTPUT, 1);
VALUE(NRT_TENSOR_NAME_MAX, 256);
VALUE(NRTA_XU_TENSOR_READ, 0);
VALUE(NRTA_XU_TENSOR_WRITE, 1);
VALUE(NRTA_XU_TENSOR_OP, 2);
VALUE(NRTA_XU_COMPUTE, 3);
VALUE(NRTA_XU_COLLECTIVES, 4);
VALUE(NRTA_XU_TYPE_NUM, 5);
static_assert(NRTA_SEQ_NUM_MAX == 0xffffffffffffull, "NRTA_SEQ_NUM_MAX");
static_assert(NRTA_SEQ_GET_XU_ID(0x1234000000000005ull) == 0x1234, "NRTA_SEQ_GET_XU_ID");
static_assert(NRTA_SEQ_GET_SEQ_NUM(0x1234000000000005ull) == 5, "NRTA_SEQ_GET_SEQ_NUM");
VALUE(NDEBUG_STREAM_EVENT_TYPE_INVALID, 0);
VALUE(NDEBUG_STREAM_EVENT_TYPE_DEBUG_TENSOR_READ, 1);
VALUE(RT_VERSION_DETAIL_LEN, 128);
VALUE(GIT_HASH_LEN, 64);

SIZE(nrt_instance_info_t, 32);
AT(nrt_instance_info_t, arch_name, 8);
AT(nrt_instance_info_t, device_revision, 24);
SIZE(nrt_tensor_batch_op_t, 24);
AT(nrt_tensor_batch_op_t, buffer, 16);
SIZE(nrt_tensor_batch_t, 24);
AT(nrt_tensor_batch_t, num_ops, 16);
SIZE(nrt_tensor_device_allocation_info_t, 24);
AT(nrt_tensor_device_allocation_info_t, hbm_index, 16);
SIZE(nrt_vnc_memory_stats_t, 16);
SIZE(nrt_cc_comm_t, 32);
AT(nrt_cc_comm_t, vnc, 24);
SIZE(nrt_tensor_list_t, 16);
SIZE(nrta_error_t, 16);
SIZE(nrta_seq_t, 8);
SIZE(nrta_xu_id_t, 2);
SIZE(nrt_tensor_info_t, 296);
AT(nrt_tensor_info_t, usage, 256);
AT(nrt_tensor_info_t, size, 264);
AT(nrt_tensor_info_t, dtype, 272);
AT(nrt_tensor_info_t, shape, 280);
AT(nrt_tensor_info_t, ndim, 288);
AT(nrt_tensor_info_array_t, tensor_array, 8);
SIZE(nrt_ucode_info, 32);
SIZE(nrt_model_info_t, 4);
SIZE(nrt_version_t, 224);
AT(nrt_version_t, git_hash, 160);
SIZE(ndebug_stream_event_header_t, 64);
AT(ndebug_stream_payload_debug_tensor_read_t, logical_nc_id, 512);
AT(ndebug_stream_payload_debug_tensor_read_t, tensor_dtype, 520);
AT(ndebug_stream_payload_debug_tensor_read_t, tensor_shape, 536);
AT(ndebug_stream_payload_debug_tensor_read_t, tensor_data_size, 600);
AT(ndebug_stream_payload_debug_tensor_read_t, tensor_data, 1024);
SIZE(ndl_version_info_t, 40);

/* The handle of a set is untyped. */
int main(void)
{
	nrt_tensor_set_t *set = NULL;
	void **untyped = &set;

	return *untyped ? 1 : 0;
}

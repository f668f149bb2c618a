// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_uobj.c - arrays in user memory, copied in once, bounded and charged to the process.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "axon_device.h"
#include "axon_uobj.h"

/* No element grows beyond that; bounds what one call makes the kernel read. */
#define AXON_MAX_STRIDE		1024u

/**
 * axon_array_check() - can this be an array of such elements?
 * @a: description, not empty
 * @min_size: the first published size of an element
 * @max_count: cap
 *
 * Return: 0 or -EINVAL.
 */
int axon_array_check(const struct drm_axon_array *a, size_t min_size, u32 max_count)
{
	if (a->count > max_count || a->stride < min_size || a->stride > AXON_MAX_STRIDE ||
	    a->stride % 8)
		return -EINVAL;
	return 0;
}

/**
 * axon_array_in() - copy an array in
 * @axdev: for messages
 * @a: description
 * @min_size: the first published size of an element
 * @size: its size in this kernel; what the user's lacks is 0, what it has beyond must be 0
 * @max_count: cap
 * @few: where they go if they are no more than @num_few; may be NULL
 * @num_few: how many @few can take
 *
 * Return: the elements, to be freed with kvfree() unless they are in @few; NULL if there are none;
 * or an ERR_PTR().
 */
void *axon_array_in(struct axon_device *axdev, const struct drm_axon_array *a, size_t min_size,
		    size_t size, u32 max_count, void *few, u32 num_few)
{
	const void __user *from = u64_to_user_ptr(a->ptr);
	void *to;
	int ret = 0;
	u32 i;

	if (!a->count)
		return NULL;
	if (AXON_IOCTL_DBG(axdev, axon_array_check(a, min_size, max_count)))
		return ERR_PTR(-EINVAL);
	to = few;
	if (a->count > num_few)
		to = kvmalloc_array(a->count, size, GFP_KERNEL_ACCOUNT);
	if (!to)
		return ERR_PTR(-ENOMEM);
	if (a->stride == size) {
		if (copy_from_user(to, from, a->count * size))
			ret = -EFAULT;
	} else {
		for (i = 0; i < a->count && !ret; i++)
			ret = copy_struct_from_user(to + i * size, size,
						    from + (u64)i * a->stride, a->stride);
	}
	if (!ret)
		return to;
	if (to != few)
		kvfree(to);
	/* a newer user's field that this kernel does not know is an invalid argument here */
	return ERR_PTR(ret == -E2BIG ? -EINVAL : ret);
}

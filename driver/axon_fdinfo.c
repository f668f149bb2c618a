// SPDX-License-Identifier: GPL-2.0-only
/*
 * axon_fdinfo.c - what one open file uses: /proc/PID/fdinfo/FD, as
 * Documentation/gpu/drm-usage-stats.rst has it.
 */
#include <drm/drm_file.h>
#include <drm/drm_gem.h>

#include "axon_device.h"
#include "axon_drv.h"
#include "axon_gem.h"
#include "axon_isa.h"

struct region_stats {
	u64 total;
	u64 shared;
	u64 resident;
};

static void count_objects(struct drm_file *filp, struct region_stats stats[3])
{
	struct drm_gem_object *obj;
	int id;

	spin_lock(&filp->table_lock);
	idr_for_each_entry(&filp->object_idr, obj, id) {
		struct region_stats *s = &stats[to_axon_bo(obj)->region];

		s->total += obj->size;
		if (drm_gem_object_is_shared_for_memory_stats(obj))
			s->shared += obj->size;
		if (obj->funcs->status(obj) & DRM_GEM_OBJECT_RESIDENT)
			s->resident += obj->size;
	}
	spin_unlock(&filp->table_lock);
}

static void show_region(struct drm_printer *p, const char *name, const struct region_stats *s)
{
	drm_printf(p, "drm-total-%s:\t%llu KiB\n", name, s->total >> 10);
	drm_printf(p, "drm-shared-%s:\t%llu KiB\n", name, s->shared >> 10);
	drm_printf(p, "drm-resident-%s:\t%llu KiB\n", name, s->resident >> 10);
}

/**
 * axon_show_fdinfo() - print an open file's use of the card
 * @p: where to
 * @filp: the file
 */
void axon_show_fdinfo(struct drm_printer *p, struct drm_file *filp)
{
	struct region_stats stats[3] = {};
	struct axon_file *file = filp->driver_priv;
	struct axon_device *axdev = file->axdev;
	u32 i;

	for (i = 0; i < axdev->num_cores; i++) {
		drm_printf(p, "drm-engine-core%u:\t%lld ns\n", i,
			   (s64)atomic64_read(&file->busy_ns[i]));
		drm_printf(p, "drm-cycles-core%u:\t%lld\n", i,
			   (s64)atomic64_read(&file->cycles[i]));
		drm_printf(p, "drm-maxfreq-core%u:\t%llu Hz\n", i, AXON_REF_CLOCK_HZ);
	}
	count_objects(filp, stats);
	show_region(p, "host", &stats[DRM_AXON_REGION_HOST]);
	show_region(p, "hbm", &stats[DRM_AXON_REGION_HBM]);
	/* memory of siblings: it is in "hbm" of whoever exported it, as shared */
	show_region(p, "link", &stats[DRM_AXON_REGION_LINK]);
}

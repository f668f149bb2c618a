/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_submit.h - DRM_IOCTL_AXON_SUBMIT.
 */
#ifndef AXON_SUBMIT_H
#define AXON_SUBMIT_H

struct drm_device;
struct drm_file;

int axon_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *filp);

#endif /* AXON_SUBMIT_H */

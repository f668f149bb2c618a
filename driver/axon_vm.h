/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * axon_vm.h - address spaces of users.
 */
#ifndef AXON_VM_H
#define AXON_VM_H

#include <linux/types.h>

struct axon_bo;
struct axon_device;
struct axon_file;
struct axon_vm;
struct drm_device;
struct drm_file;
struct drm_gem_object;
struct seq_file;

struct axon_vm *axon_vm_lookup(struct axon_file *file, u32 id);
void axon_vm_put(struct axon_vm *vm);
struct axon_vm *axon_vm_use(struct axon_file *file, u32 id);
void axon_vm_unuse(struct axon_vm *vm);
u32 axon_vm_asid(struct axon_vm *vm);
struct drm_gem_object *axon_vm_resv_obj(struct axon_vm *vm);
void axon_vm_close_all(struct axon_file *file);
void axon_vm_cut(struct axon_bo *bo, bool leaving);
void axon_vm_show(struct axon_file *file, struct seq_file *m);

int axon_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int axon_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* AXON_VM_H */

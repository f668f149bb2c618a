// SPDX-License-Identifier: MIT
/*
 * test-collect.c - cards and their users found in a copied /sys and /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "axon_hw.h"
#include "collect.h"

#define BDF0	"0000:01:00.0"
#define BDF1	"0000:02:00.0"

/* Write a file below the tree, with the folders on the way. */
static void put(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void put_link(const char *root, const char *path, const char *target)
{
	char full[512];

	put(root, path, "");
	snprintf(full, sizeof(full), "%s%s", root, path);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

static void put_card(const char *root, int index, const char *driver, const char *bdf)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/uevent", index);
	snprintf(text, sizeof(text), "DRIVER=%s\nPCI_CLASS=120000\nPCI_SLOT_NAME=%s\n", driver,
		 bdf);
	put(root, path, text);
	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/numa_node", index);
	put(root, path, "1\n");
	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/local_cpulist", index);
	put(root, path, "0-3\n");
	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/power/runtime_status", index);
	put(root, path, "suspended\n");
}

static void put_file_of(const char *root, int pid, int fd, const char *target, const char *fdinfo)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	put_link(root, path, target);
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	put(root, path, fdinfo);
}

#define FDINFO(bdf, id, hbm, host) \
	"pos:\t0\nflags:\t02\ndrm-driver:\taxon\ndrm-client-id:\t" id "\ndrm-pdev:\t" bdf "\n" \
	"drm-total-hbm0:\t" hbm "\ndrm-total-host:\t" host "\n"

static int setup(void **state)
{
	char *root = strdup("collect-XXXXXX");

	*state = root;
	return root && mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}

static void read_tree(const char *root, struct collect_reading *r)
{
	const struct collect_source src = { .root = root };

	assert_int_equal(collect_read(&src, r), 0);
}

static void no_sysfs_is_an_error(void **state)
{
	const struct collect_source src = { .root = *state };
	struct collect_reading r;

	assert_int_equal(collect_read(&src, &r), -ENOENT);
}

static void no_cards(void **state)
{
	struct collect_reading r;

	put(*state, "/sys/class/net/lo/mtu", "1\n");
	read_tree(*state, &r);
	assert_int_equal(r.n_cards, 0);
	assert_int_equal(r.unbound, 0);
	collect_free(&r);
}

static void cards_in_order_and_only_ours(void **state)
{
	struct collect_reading r;

	put_card(*state, 10, "axon", BDF1);
	put_card(*state, 2, "axon", BDF0);
	put_card(*state, 1, "habanalabs", "0000:03:00.0");
	put(*state, "/sys/class/accel/accelerando/device/uevent", "DRIVER=axon\n");
	read_tree(*state, &r);
	assert_int_equal(r.n_cards, 2);
	assert_int_equal(r.cards[0].index, 0);
	assert_int_equal(r.cards[0].minor, 2);
	assert_string_equal(r.cards[0].bdf, BDF0);
	assert_string_equal(r.cards[0].node, "/dev/accel/accel2");
	assert_string_equal(r.cards[0].cpu_affinity, "0-3");
	assert_int_equal(r.cards[0].numa_node, 1);
	assert_int_equal(r.cards[1].index, 1);
	assert_int_equal(r.cards[1].minor, 10);
	assert_string_equal(r.cards[1].node, "/dev/accel/accel10");
	collect_free(&r);
}

static void sleeping_card_is_not_asked(void **state)
{
	struct collect_reading r;

	put_card(*state, 0, "axon", BDF0);
	read_tree(*state, &r);
	assert_true(r.cards[0].asleep);
	assert_int_equal(r.cards[0].error, 0);
	assert_int_equal(r.cards[0].valid, 0);
	collect_free(&r);
}

static void card_without_driver_is_counted(void **state)
{
	char text[128];
	struct collect_reading r;

	put(*state, "/sys/class/net/lo/mtu", "1\n");
	snprintf(text, sizeof(text), "PCI_ID=%04X:%04X\n", AXON_PCI_VENDOR_ID, AXON_PCI_DEVICE_ID);
	put(*state, "/sys/bus/pci/devices/" BDF0 "/uevent", text);
	put(*state, "/sys/bus/pci/devices/" BDF1 "/uevent", "DRIVER=nvme\nPCI_ID=8086:0001\n");
	read_tree(*state, &r);
	assert_int_equal(r.n_cards, 0);
	assert_int_equal(r.unbound, 1);
	collect_free(&r);
}

static void process_with_its_memory(void **state)
{
	struct collect_reading r;

	put_card(*state, 0, "axon", BDF0);
	put_file_of(*state, 42, 3, "/dev/accel/accel0", FDINFO(BDF0, "7", "2 MiB", "16 KiB"));
	put_file_of(*state, 42, 4, "/dev/accel/accel0", FDINFO(BDF0, "8", "512", "0"));
	put(*state, "/proc/42/comm", "story\n");
	put(*state, "/proc/42/stat", "42 (a) b) S 1 1 1 0 -1 0 0 0 0 0 11 22 0 0\n");
	put(*state, "/proc/42/maps", "7f00-7f01 r-xp 0 08:01 1   /usr/lib/libnrt.so.1.2.3\n");
	read_tree(*state, &r);
	assert_int_equal(r.n_processes, 1);
	assert_int_equal(r.processes[0].pid, 42);
	assert_int_equal(r.processes[0].clients, 2);
	assert_int_equal(r.processes[0].hbm, (2 << 20) + 512);
	assert_int_equal(r.processes[0].host, 16 << 10);
	assert_int_equal(r.processes[0].user_ticks, 11);
	assert_int_equal(r.processes[0].system_ticks, 22);
	assert_string_equal(r.processes[0].command, "story");
	assert_string_equal(r.processes[0].runtime, "1.2.3");
	collect_free(&r);
}

static void duplicated_file_counts_once(void **state)
{
	struct collect_reading r;

	put_card(*state, 0, "axon", BDF0);
	put_file_of(*state, 42, 3, "/dev/accel/accel0", FDINFO(BDF0, "7", "1 MiB", "0"));
	put_file_of(*state, 42, 9, "/dev/accel/accel0", FDINFO(BDF0, "7", "1 MiB", "0"));
	read_tree(*state, &r);
	assert_int_equal(r.n_processes, 1);
	assert_int_equal(r.processes[0].clients, 1);
	assert_int_equal(r.processes[0].hbm, 1 << 20);
	collect_free(&r);
}

static void other_files_are_not_ours(void **state)
{
	struct collect_reading r;

	put_card(*state, 0, "axon", BDF0);
	put_file_of(*state, 5, 3, "/dev/dri/card0", FDINFO(BDF0, "1", "1 MiB", "0"));
	put_file_of(*state, 5, 4, "/dev/accel/accel1", "drm-driver:\tivpu\ndrm-client-id:\t1\n");
	put(*state, "/proc/self/stat", "");
	read_tree(*state, &r);
	assert_int_equal(r.n_processes, 0);
	collect_free(&r);
}

static void command_line_cannot_disturb_the_terminal(void **state)
{
	struct collect_reading r;

	put_card(*state, 0, "axon", BDF0);
	put_file_of(*state, 42, 3, "/dev/accel/accel0", FDINFO(BDF0, "7", "0", "0"));
	put(*state, "/proc/42/cmdline", "evil\033[2J\nname");
	read_tree(*state, &r);
	assert_string_equal(r.processes[0].command, "evil [2J name");
	collect_free(&r);
}

static void cpu_times(void **state)
{
	struct collect_reading r;

	put(*state, "/sys/class/net/lo/mtu", "1\n");
	put(*state, "/proc/stat", "cpu  10 20 30 40 50 6 7 8 0 0\ncpu0 1\ncpu1 1\nintr 5\n");
	read_tree(*state, &r);
	assert_int_equal(r.cpu.cpus, 2);
	assert_int_equal(r.cpu.total, 171);
	assert_int_equal(r.cpu.idle, 90);
	assert_int_equal(r.cpu.system, 43);
	collect_free(&r);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_sysfs_is_an_error),
		TEST(no_cards),
		TEST(cards_in_order_and_only_ours),
		TEST(sleeping_card_is_not_asked),
		TEST(card_without_driver_is_counted),
		TEST(process_with_its_memory),
		TEST(duplicated_file_counts_once),
		TEST(other_files_are_not_ours),
		TEST(command_line_cannot_disturb_the_terminal),
		TEST(cpu_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

# SPDX-License-Identifier: MIT
# The front door. `make help` lists what there is. The kernel module has its own build
# (Kbuild, driver/build.sh), user space is meson's; this file only puts them in order.

BUILD	:= $(CURDIR)/build
MESON	:= /usr/bin/meson
NINJA	:= ninja
PREFIX	?= /usr/local
SHELL	:= /bin/bash

export AXON_BUILD := $(BUILD)

.PHONY: all help setup user module demo check check-debug check-tsan shell bench lint install clean
.DEFAULT_GOAL := all

all: setup user module
	@echo "axon: built; programs in build/bin, libraries in build/lib, module build/driver/axon.ko"

help:
	@echo "make            set up the machine (root or sudo) and build everything into build/"
	@echo "make demo       the main job: two emulated cards in a guest, a language model on one"
	@echo "                MODEL=file TOKENIZER=file: checkpoint and tokenizer (llama2.c's format)"
	@echo "make check      all tests"
	@echo "make check-debug  the driver's tests in a kernel with KASAN, lockdep and more; builds"
	@echo "                that kernel first (10 minutes, once), then takes about 10 minutes"
	@echo "make check-tsan  libaxon, collectives and libnrt on soft cards under ThreadSanitizer;"
	@echo "                takes about 10 minutes"
	@echo "make shell      a prompt in the guest, module loaded"
	@echo "make bench      figures beside their peers; writes build/bench.json"
	@echo "make lint       style and static checks"
	@echo "make install    PREFIX=/usr/local DESTDIR="
	@echo "make clean      removes build/ (what was slow to prepare stays in the cache)"

setup:
	@scripts/setup

# The QEMU device needs the headers of the installed QEMU; they are made once into the cache.
$(BUILD)/meson/build.ninja: meson.build meson_options.txt
	@mkdir -p $(BUILD)
	@headers=$$(scripts/qemu-headers) && \
	$(MESON) setup $(if $(wildcard $(BUILD)/meson/build.ninja),--reconfigure) $(BUILD)/meson \
		--prefix=$(BUILD) --libdir=lib -Dqemu_headers="$$headers" >$(BUILD)/meson.log 2>&1 || \
		{ tail -20 $(BUILD)/meson.log; exit 1; }

user: setup
	@$(MAKE) --no-print-directory $(BUILD)/meson/build.ninja
	@$(NINJA) -C $(BUILD)/meson
	@env -u DESTDIR $(MESON) install -C $(BUILD)/meson --no-rebuild --only-changed --quiet

module: setup
	@driver/build.sh $(BUILD)/driver

demo: all
	@scripts/demo "$(MODEL)" "$(TOKENIZER)"

check: all
	@scripts/check

check-debug: all
	@scripts/setup debug
	@scripts/check-debug

check-tsan: setup
	@scripts/check-tsan

shell: all
	@scripts/guest-run --shell --cards 2

bench: all
	@scripts/bench "$(MODEL)" "$(TOKENIZER)"

lint: setup
	@scripts/lint

install: all
	$(MESON) setup --reconfigure $(BUILD)/meson --prefix=$(PREFIX) --libdir=lib >/dev/null
	$(NINJA) -C $(BUILD)/meson
	$(MESON) install -C $(BUILD)/meson --no-rebuild $(if $(DESTDIR),--destdir $(DESTDIR))
	$(MESON) setup --reconfigure $(BUILD)/meson --prefix=$(BUILD) --libdir=lib >/dev/null
	install -D -m 644 driver/70-axon.rules $(DESTDIR)/usr/lib/udev/rules.d/70-axon.rules
	install -D -m 644 $(BUILD)/lib/firmware/axon/axon-fw.bin $(DESTDIR)/lib/firmware/axon/axon-fw.bin
	install -D -m 644 $(BUILD)/driver/axon.ko \
		$(DESTDIR)/lib/modules/$$(/sbin/modinfo -F vermagic $(BUILD)/driver/axon.ko | cut -d' ' -f1)/updates/axon.ko

clean:
	rm -rf $(BUILD)

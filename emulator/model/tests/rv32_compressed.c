// SPDX-License-Identifier: MIT
/*
 * rv32_compressed.c - each compressed form does what the 32-bit instruction does that the manual
 * gives for it.
 *
 * The pairs were encoded by the GNU assembler, not by the authors of the decoder. Both words of a
 * pair run on the same state, which must end up the same but for the lengths.
 */
#include "rv32_machine.h"

static const struct pair {
	uint16_t half;
	uint32_t word;
	const char *text;
} pairs[] = {
	{ 0x0048, 0x00410513, "c.addi4spn a0,sp,4" },
	{ 0x0028, 0x00810513, "c.addi4spn a0,sp,8" },
	{ 0x0088, 0x04010513, "c.addi4spn a0,sp,64" },
	{ 0x0108, 0x08010513, "c.addi4spn a0,sp,128" },
	{ 0x0408, 0x20010513, "c.addi4spn a0,sp,512" },
	{ 0x1fe8, 0x3fc10513, "c.addi4spn a0,sp,1020" },
	{ 0x0ac8, 0x15410513, "c.addi4spn a0,sp,340" },
	{ 0x1528, 0x2a810513, "c.addi4spn a0,sp,680" },
	{ 0x0800, 0x01010413, "c.addi4spn s0,sp,16" },
	{ 0x408c, 0x0004a583, "c.lw a1,0(s1)" },
	{ 0xc08c, 0x00b4a023, "c.sw a1,0(s1)" },
	{ 0x40cc, 0x0044a583, "c.lw a1,4(s1)" },
	{ 0xc0cc, 0x00b4a223, "c.sw a1,4(s1)" },
	{ 0x40ac, 0x0404a583, "c.lw a1,64(s1)" },
	{ 0xc0ac, 0x04b4a023, "c.sw a1,64(s1)" },
	{ 0x5cec, 0x07c4a583, "c.lw a1,124(s1)" },
	{ 0xdcec, 0x06b4ae23, "c.sw a1,124(s1)" },
	{ 0x5ccc, 0x03c4a583, "c.lw a1,60(s1)" },
	{ 0xdccc, 0x02b4ae23, "c.sw a1,60(s1)" },
	{ 0x40ec, 0x0444a583, "c.lw a1,68(s1)" },
	{ 0xc0ec, 0x04b4a223, "c.sw a1,68(s1)" },
	{ 0x4780, 0x0087a403, "c.lw s0,8(a5)" },
	{ 0xc41c, 0x00f42423, "c.sw a5,8(s0)" },
	{ 0x0001, 0x00000013, "c.nop" },
	{ 0x0e05, 0x001e0e13, "c.addi t3,1" },
	{ 0x4d85, 0x00100d93, "c.li s11,1" },
	{ 0x8b05, 0x00177713, "c.andi a4,1" },
	{ 0x0e7d, 0x01fe0e13, "c.addi t3,31" },
	{ 0x4dfd, 0x01f00d93, "c.li s11,31" },
	{ 0x8b7d, 0x01f77713, "c.andi a4,31" },
	{ 0x1e7d, 0xfffe0e13, "c.addi t3,-1" },
	{ 0x5dfd, 0xfff00d93, "c.li s11,-1" },
	{ 0x9b7d, 0xfff77713, "c.andi a4,-1" },
	{ 0x1e01, 0xfe0e0e13, "c.addi t3,-32" },
	{ 0x5d81, 0xfe000d93, "c.li s11,-32" },
	{ 0x9b01, 0xfe077713, "c.andi a4,-32" },
	{ 0x0e41, 0x010e0e13, "c.addi t3,16" },
	{ 0x4dc1, 0x01000d93, "c.li s11,16" },
	{ 0x8b41, 0x01077713, "c.andi a4,16" },
	{ 0x1e3d, 0xfefe0e13, "c.addi t3,-17" },
	{ 0x5dbd, 0xfef00d93, "c.li s11,-17" },
	{ 0x9b3d, 0xfef77713, "c.andi a4,-17" },
	{ 0x4501, 0x00000513, "c.li a0,0" },
	{ 0x6141, 0x01010113, "c.addi16sp sp,16" },
	{ 0x717d, 0xff010113, "c.addi16sp sp,-16" },
	{ 0x617d, 0x1f010113, "c.addi16sp sp,496" },
	{ 0x7101, 0xe0010113, "c.addi16sp sp,-512" },
	{ 0x6105, 0x02010113, "c.addi16sp sp,32" },
	{ 0x6121, 0x04010113, "c.addi16sp sp,64" },
	{ 0x6109, 0x08010113, "c.addi16sp sp,128" },
	{ 0x6111, 0x10010113, "c.addi16sp sp,256" },
	{ 0x6f85, 0x00001fb7, "c.lui t6,1" },
	{ 0x6ffd, 0x0001ffb7, "c.lui t6,31" },
	{ 0x7ffd, 0xffffffb7, "c.lui t6,1048575" },
	{ 0x7f81, 0xfffe0fb7, "c.lui t6,1048544" },
	{ 0x8205, 0x00165613, "c.srli a2,1" },
	{ 0x8685, 0x4016d693, "c.srai a3,1" },
	{ 0x0c86, 0x001c9c93, "c.slli s9,1" },
	{ 0x827d, 0x01f65613, "c.srli a2,31" },
	{ 0x86fd, 0x41f6d693, "c.srai a3,31" },
	{ 0x0cfe, 0x01fc9c93, "c.slli s9,31" },
	{ 0x8241, 0x01065613, "c.srli a2,16" },
	{ 0x86c1, 0x4106d693, "c.srai a3,16" },
	{ 0x0cc2, 0x010c9c93, "c.slli s9,16" },
	{ 0x8c1d, 0x40f40433, "c.sub s0,a5" },
	{ 0x8e85, 0x409686b3, "c.sub a3,s1" },
	{ 0x8c3d, 0x00f44433, "c.xor s0,a5" },
	{ 0x8ea5, 0x0096c6b3, "c.xor a3,s1" },
	{ 0x8c5d, 0x00f46433, "c.or s0,a5" },
	{ 0x8ec5, 0x0096e6b3, "c.or a3,s1" },
	{ 0x8c7d, 0x00f47433, "c.and s0,a5" },
	{ 0x8ee5, 0x0096f6b3, "c.and a3,s1" },
	{ 0x4f12, 0x00412f03, "c.lwsp t5,4(sp)" },
	{ 0xc27a, 0x01e12223, "c.swsp t5,4(sp)" },
	{ 0x4f02, 0x00012f03, "c.lwsp t5,0(sp)" },
	{ 0xc07a, 0x01e12023, "c.swsp t5,0(sp)" },
	{ 0x4f22, 0x00812f03, "c.lwsp t5,8(sp)" },
	{ 0xc47a, 0x01e12423, "c.swsp t5,8(sp)" },
	{ 0x5f72, 0x03c12f03, "c.lwsp t5,60(sp)" },
	{ 0xde7a, 0x03e12e23, "c.swsp t5,60(sp)" },
	{ 0x4f06, 0x04012f03, "c.lwsp t5,64(sp)" },
	{ 0xc0fa, 0x05e12023, "c.swsp t5,64(sp)" },
	{ 0x5f7e, 0x0fc12f03, "c.lwsp t5,252(sp)" },
	{ 0xdffa, 0x0fe12e23, "c.swsp t5,252(sp)" },
	{ 0x4f0a, 0x08012f03, "c.lwsp t5,128(sp)" },
	{ 0xc17a, 0x09e12023, "c.swsp t5,128(sp)" },
	{ 0x40d2, 0x01412083, "c.lwsp ra,20(sp)" },
	{ 0x8b9a, 0x00600bb3, "c.mv s7,t1" },
	{ 0x80aa, 0x00a000b3, "c.mv ra,a0" },
	{ 0x9b9a, 0x006b8bb3, "c.add s7,t1" },
	{ 0x912a, 0x00a10133, "c.add sp,a0" },
	{ 0xbffd, 0xfffff06f, "c.j .-2" },
	{ 0x3ffd, 0xfffff0ef, "c.jal .-2" },
	{ 0xa021, 0x0080006f, "c.j .+8" },
	{ 0x2021, 0x008000ef, "c.jal .+8" },
	{ 0xa801, 0x0100006f, "c.j .+16" },
	{ 0x2801, 0x010000ef, "c.jal .+16" },
	{ 0xa005, 0x0200006f, "c.j .+32" },
	{ 0x2005, 0x020000ef, "c.jal .+32" },
	{ 0xa081, 0x0400006f, "c.j .+64" },
	{ 0x2081, 0x040000ef, "c.jal .+64" },
	{ 0xa041, 0x0800006f, "c.j .+128" },
	{ 0x2041, 0x080000ef, "c.jal .+128" },
	{ 0xa201, 0x1000006f, "c.j .+256" },
	{ 0x2201, 0x100000ef, "c.jal .+256" },
	{ 0xa401, 0x2000006f, "c.j .+512" },
	{ 0x2401, 0x200000ef, "c.jal .+512" },
	{ 0xa101, 0x4000006f, "c.j .+1024" },
	{ 0x2101, 0x400000ef, "c.jal .+1024" },
	{ 0xb001, 0x801ff06f, "c.j .-2048" },
	{ 0x3001, 0x801ff0ef, "c.jal .-2048" },
	{ 0xaffd, 0x7fe0006f, "c.j .+2046" },
	{ 0x2ffd, 0x7fe000ef, "c.jal .+2046" },
	{ 0xdd75, 0xfe050ee3, "c.beqz a0,.-4" },
	{ 0xfd75, 0xfe051ee3, "c.bnez a0,.-4" },
	{ 0xc501, 0x00050463, "c.beqz a0,.+8" },
	{ 0xe501, 0x00051463, "c.bnez a0,.+8" },
	{ 0xc901, 0x00050863, "c.beqz a0,.+16" },
	{ 0xe901, 0x00051863, "c.bnez a0,.+16" },
	{ 0xc105, 0x02050063, "c.beqz a0,.+32" },
	{ 0xe105, 0x02051063, "c.bnez a0,.+32" },
	{ 0xc121, 0x04050063, "c.beqz a0,.+64" },
	{ 0xe121, 0x04051063, "c.bnez a0,.+64" },
	{ 0xc141, 0x08050063, "c.beqz a0,.+128" },
	{ 0xe141, 0x08051063, "c.bnez a0,.+128" },
	{ 0xcd7d, 0x0e050f63, "c.beqz a0,.+254" },
	{ 0xed7d, 0x0e051f63, "c.bnez a0,.+254" },
	{ 0xd101, 0xf00500e3, "c.beqz a0,.-256" },
	{ 0xf101, 0xf00510e3, "c.bnez a0,.-256" },
	{ 0xc481, 0x00048463, "c.beqz s1,.+8" },
	{ 0xe781, 0x00079463, "c.bnez a5,.+8" },
	{ 0x8e82, 0x000e8067, "c.jr t4" },
	{ 0x9e82, 0x000e80e7, "c.jalr t4" },
	{ 0x9082, 0x000080e7, "c.jalr ra" },
	{ 0x8082, 0x00008067, "c.jr ra" },
};

#define START	(BASE + 0x1000)	/* room for jumps both ways */

struct outcome {
	uint32_t x[32];
	uint32_t pc;
	uint8_t ram[RAM_SIZE];
};

/* Jumps by 2 and 4 are not among the pairs: the next instruction of one is the target of the other.
 * Registers make sense as addresses, and differ.
 */
static void prepare(struct machine *m, uint32_t word, uint32_t a0_value)
{
	unsigned int i;

	memset(m->ram, 0, RAM_SIZE);
	for (i = 0; i < 0x400; i += 4)
		poke(m, DATA + i, 0x01010101u * (i + 0x80));
	memcpy(m->ram + (START - BASE), &word, 4);
	axon_rv32_reset(m->cpu, START);
	for (i = 1; i < 32; i++)
		set(m, i, DATA + 0x40 + i * 4);
	set(m, a0, a0_value);
	set(m, t4, BASE + 0x2001);
	set(m, ra, BASE + 0x3000);
	set(m, a3, 0x80001234);
}

static void observe(struct machine *m, struct outcome *o, uint32_t length)
{
	unsigned int i;

	machine_run(m, 1);
	for (i = 0; i < 32; i++) {
		o->x[i] = reg(m, i);
		if (o->x[i] == START + length)	/* a link */
			o->x[i] = START;
	}
	o->pc = axon_rv32_pc(m->cpu) == START + length ? START : axon_rv32_pc(m->cpu);
	memset(m->ram + (START - BASE), 0, 4);
	memcpy(o->ram, m->ram, RAM_SIZE);
}

static void check_pair(struct machine *m, const struct pair *pair, uint32_t a0_value)
{
	static struct outcome a, b;

	prepare(m, pair->half | 0xffff0000u, a0_value);
	observe(m, &a, 2);
	prepare(m, pair->word, a0_value);
	observe(m, &b, 4);
	if (memcmp(&a, &b, sizeof(a)))
		fail_msg("%s differs from its expansion 0x%08x", pair->text, pair->word);
}

static void same_as_expansion(void **state)
{
	struct machine *m = *state;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		check_pair(m, &pairs[i], 0);
		check_pair(m, &pairs[i], 1);
	}
}

static void breakpoint(void **state)
{
	struct trap trap = machine_catch(*state, 0xffff9002);

	assert_int_equal(trap.cause, AXON_RV32_BREAKPOINT);
	assert_int_equal(trap.epc, BASE + 8);
	assert_int_equal(trap.tval, BASE + 8);
}

/* What RV32IMAC leaves undefined: floating point, 64 bits, reserved encodings. */
static bool is_illegal(uint32_t w)
{
	uint32_t f3 = w >> 13, rd = w >> 7 & 31, rs2 = w >> 2 & 31, bit12 = w >> 12 & 1;

	switch (w & 3) {
	case 0:
		return (f3 != 0 && f3 != 2 && f3 != 6) || (f3 == 0 && !(w >> 5 & 0xff));
	case 1:
		if (f3 == 3)
			return !bit12 && !rs2;
		if (f3 != 4 || !bit12)
			return false;
		return (w >> 10 & 3) != 2;
	}
	if (f3 == 0)
		return bit12;
	if (f3 == 2)
		return !rd;
	if (f3 == 4)
		return !bit12 && !rs2 && !rd;
	return f3 != 6;
}

static void illegal_ones_trap(void **state)
{
	struct machine *m = *state;
	unsigned int illegal = 0;
	uint32_t w;

	for (w = 0; w < 0x10000; w++) {
		struct trap trap;

		if ((w & 3) == 3 || !is_illegal(w))
			continue;
		illegal++;
		trap = machine_catch(m, w | 0xffff0000);
		assert_int_equal(trap.cause, AXON_RV32_ILLEGAL);
		assert_int_equal(trap.tval, w);
		assert_int_equal(trap.epc, BASE + 8);
	}
	assert_true(illegal > 10000);
}

/* No legal one may be taken for illegal; whatever else it does. */
static void legal_ones_do_not(void **state)
{
	struct machine *m = *state;
	const uint32_t handler[] = { CSRRS(s8, MCAUSE, 0), J(0, 0) };
	uint32_t w, i;

	for (w = 0; w < 0x10000; w++) {
		if ((w & 3) == 3 || is_illegal(w))
			continue;
		memset(m->ram, 0, 16);
		memcpy(m->ram + (HANDLER - BASE), handler, sizeof(handler));
		poke(m, START, LUI(t6, HANDLER >> 12));
		poke(m, START + 4, CSRRW(0, MTVEC, t6));
		poke(m, START + 8, w);
		axon_rv32_reset(m->cpu, START);
		machine_run(m, 2);
		for (i = 1; i < 32; i++)
			set(m, i, DATA + 0x40);
		machine_run(m, 1);
		if (axon_rv32_pc(m->cpu) != HANDLER)
			continue;
		machine_run(m, 1);
		assert_int_not_equal(reg(m, s8), AXON_RV32_ILLEGAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_expansion),
		cmocka_unit_test(breakpoint),
		cmocka_unit_test(illegal_ones_trap),
		cmocka_unit_test(legal_ones_do_not),
	};

	return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}

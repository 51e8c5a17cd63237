// Where the guest begins: the first vCPU as a Linux kernel would (X0 points to
// the device tree), the second by PSCI CPU_ON; both at EL1 with the MMU off.
//
// Normal cacheable memory everywhere, also where devices are: the host's
// accesses to RAM and to the window's buffers go through its caches, and so have
// the guest's to, unless the CPU can force it (FEAT_S2FWB). Of devices there is
// nothing but faults that the hypervisor takes, in program's order; as Device
// memory the CPU itself would refuse the unaligned accesses that are to reach
// them.

    .section .text.entry, "ax"
    .globl HostileGuestEntry
HostileGuestEntry:
    b 1f                        // The Image's header (booting.rst, section 4).
    .long 0
    .quad 0                     // From a multiple of 2 MiB on,
    .quad image_size            // this much memory;
    .quad 0x2                   // little-endian, pages of 4 KiB, low in RAM.
    .fill 3, 8, 0
    .ascii "ARM\x64"
    .long 0
1:  mov x19, x0
    bl TurnOnMmu
    ldr x1, =first_stack_end
    mov sp, x1
    mov x0, x19
    bl GuestMain
0:  wfi
    b 0b

    .globl SecondCpuEntry
SecondCpuEntry:
    bl TurnOnMmu
    ldr x1, =second_stack_end
    mov sp, x1
    bl SecondCpuMain
    ldr w0, =0x84000002         // PSCI CPU_OFF (Arm DEN 0022).
    hvc #0
0:  wfi
    b 0b

// The tables are as the host loaded them: nothing was written past the caches.
TurnOnMmu:
    ldr x1, =vectors
    msr vbar_el1, x1
    mov x1, #0xff               // Attributes 0: write-back, allocating.
    msr mair_el1, x1
    ldr x1, =0x200803519        // 39 bits by TTBR0 alone, walks as MAIR has it,
    msr tcr_el1, x1             // inner shareable; 40 bits out.
    ldr x1, =identity
    msr ttbr0_el1, x1
    tlbi vmalle1
    dsb nsh
    isb
    ldr x1, =0x30d01805         // What must be 1; M, C, I.
    msr sctlr_el1, x1
    isb
    ret

// Any exception is one of ours or KVM's refusal: the end, reported.
    .balign 2048
vectors:
    .rept 16
    mov w0, #2
    ldr x1, =0x090200f4         // The report port, in PCI's window.
    strb w0, [x1]
    ldr w0, =0x84000008         // PSCI SYSTEM_OFF.
    hvc #0
    .balign 128
    .endr

    .section .rodata
    .balign 4096
identity:                       // Blocks of 1 GiB, inner shareable.
    .set address, 0
    .rept 512
    .quad address | 0x701
    .set address, address + (1 << 30)
    .endr

    .section .bss, "aw", @nobits
    .balign 16
    .fill 16384
first_stack_end:
    .fill 16384
second_stack_end:

    .section .note.GNU-stack, "", @progbits

// Where the guest begins: the first vCPU in long mode as a Linux kernel would
// (RSI points to the boot parameters), the second in real mode by a start-up
// interrupt.

#define TRAMPOLINE 0x8000

    .section .text.entry, "ax"
    .code64
    .globl HostileGuestEntry
HostileGuestEntry:
    lea first_stack_end(%rip), %rsp
    mov %rsi, %rdi
    call GuestMain
0:  hlt
    jmp 0b

// Copied to TRAMPOLINE by StartSecondCpu, with the first vCPU's tables.
    .globl trampoline, trampoline_end, trampoline_gdt, trampoline_cr3
    .code16
trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + (trampoline_gdt - trampoline)
    mov $0x20, %eax             // CR4.PAE
    mov %eax, %cr4
    mov TRAMPOLINE + (trampoline_cr3 - trampoline), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       // EFER.LME
    rdmsr
    or $0x100, %eax
    wrmsr
    mov $0x80000011, %eax       // CR0.PG, ET, PE
    mov %eax, %cr0
    ljmpl $0x10, $(TRAMPOLINE + (in_long_mode - trampoline))
    .code64
in_long_mode:
    mov $0x18, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    movabs $second_stack_end, %rsp
    movabs $SecondCpuMain, %rax
    call *%rax
0:  hlt
    jmp 0b
    .balign 8
trampoline_gdt:
    .fill 10, 1, 0              // Limit and base, by SGDT.
    .balign 8
trampoline_cr3:
    .quad 0
trampoline_end:

    .section .bss, "aw", @nobits
    .balign 16
    .fill 16384
first_stack_end:
    .fill 16384
second_stack_end:

    .section .note.GNU-stack, "", @progbits

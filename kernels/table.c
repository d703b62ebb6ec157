#include "kernels/kernel.h"

#define NAME_generic "generic"
#define NAME_v2 "x86-64-v2"
#define NAME_v3 "x86-64-v3"
#define NAME_v4 "x86-64-v4"
#define NAME_PASTE(isa) NAME_##isa
#define NAME(isa) NAME_PASTE(isa)

const moru_kernels MORU_KERNEL(table) = {
    .isa = NAME(MORU_ISA),
    .vector_bytes = MORU_VECTOR_BYTES,
    .unary = {
#define MORU_UNARY(name) MORU_KERNEL(unary_##name),
#include "kernels/elementwise.def"
    },
    .binary = {
#define MORU_BINARY(name) MORU_KERNEL(binary_##name),
#include "kernels/elementwise.def"
    },
#define ENTRY(name) .name = MORU_KERNEL(name),
    MORU_KERNEL_LIST(ENTRY)
};

#pragma once

namespace rtdetr {

/// Lets the C library keep freed memory for the next step instead of giving it back to the system: a training step
/// frees and takes the same sizes again and again. Halves the page faults, saves 3 % of a small model's step (measured
/// on one core of an AVX-512 server); the process stays at its peak size. Blocks above 32 MiB still come and go. Only
/// with glibc, and of no effect in the program, which is linked with tcmalloc: a step of rtdetr-n takes 12 % less there
/// in bfloat16 and 4 % in float32, and less memory (docs/benchmarks/training.md).
void keep_freed_memory();

/// For the program that is started next: tcmalloc tells stderr of each block above 1 GiB, which here is nothing
/// remarkable. Sets TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD=0 unless the environment has it.
void silence_large_allocations();

}  // namespace rtdetr

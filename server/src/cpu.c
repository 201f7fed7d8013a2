/* Refuses to start on a CPU that lacks the instructions this binary is compiled for.
 *
 * x86-64 builds are for x86-64-v3, because the engines choose their AVX2 kernels at compile time. Without this check an
 * older CPU would end the process with SIGILL. It is in C, compiled for any x86-64, and runs before all else: llama.cpp
 * has C++ constructors, compiled for x86-64-v3, that run before Rust's main. */

#include <string.h>
#include <unistd.h>

__attribute__((constructor(101))) static void check_cpu(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("f16c")) {
        return;
    }
    const char *message =
        "error: this CPU cannot run this build of Zyron, which needs AVX2, FMA, BMI2 and F16C (x86-64-v3)\n";
    if (write(STDERR_FILENO, message, strlen(message)) < 0) {
        /* There is nobody to tell. */
    }
    _exit(1);
}

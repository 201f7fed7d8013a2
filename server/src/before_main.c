/* What has to happen before anything else does, llama.cpp's and OpenMP's own constructors among it. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef NEEDS_X86_64_V3
/* Refuses to start on a CPU that lacks the instructions this binary is compiled for.
 *
 * x86-64 builds are for x86-64-v3, because the engines choose their AVX2 kernels at compile time. Without this check an
 * older CPU would end the process with SIGILL. It is in C, compiled for any x86-64, and runs before all else: llama.cpp
 * has C++ constructors, compiled for x86-64-v3, that run before Rust's main. */
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
#endif

/* Shortens how long llama.cpp's threads wait for each other actively, between one operation and the next.
 *
 * OpenMP's own measure is milliseconds. Where another process wants the same cores it then waits for a thread that is
 * not running, hundreds of times for each token: with two servers on two cores one generated 3.7 tokens a second, and
 * 49 with this measure; alone it lost nothing. OpenMP reads it once, in a constructor of its own. What the operator has
 * set is left as it is. */
__attribute__((constructor(102))) static void wait_briefly(void) {
    if (getenv("OMP_WAIT_POLICY") == NULL) {
        setenv("GOMP_SPINCOUNT", "10000", 0);
    }
}

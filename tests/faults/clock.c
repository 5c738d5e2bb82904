/* A wall clock that is wrong by as many seconds as the file FAULTS_CLOCK says. Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t which, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, now);
    const char *path = getenv("FAULTS_CLOCK");
    if (failed == 0 && which == CLOCK_REALTIME && path != NULL) {
        long seconds = 0;
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%ld", &seconds) == 1)
                now->tv_sec += seconds;
            fclose(file);
        }
    }
    return failed;
}

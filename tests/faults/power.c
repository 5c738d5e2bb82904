/* What a power cut leaves of the files in the folder FAULTS_UNDER. After each fsync that succeeded, the file as it is now
 * is put into the folder FAULTS_SHADOW, whole or not at all; one that was deleted is gone there once its folder has been
 * synchronised. Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy(int fd, const char *partial, const char *kept)
{
    static __thread char buffer[1 << 20];
    int out = open(partial, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ssize_t got = -1;
    if (out >= 0)
        for (off_t at = 0; (got = pread(fd, buffer, sizeof buffer, at)) > 0; at += got)
            if (write(out, buffer, got) != got)
                abort();
    if (got < 0 || close(out) != 0 || rename(partial, kept) != 0)
        abort();
}

static void forget_deleted(const char *under, const char *shadow)
{
    DIR *folder = opendir(shadow);
    char path[PATH_MAX];
    if (folder == NULL)
        abort();
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", under, entry->d_name);
        if (access(path, F_OK) == 0 || strstr(entry->d_name, ".partial") != NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
        unlink(path);
    }
    closedir(folder);
}

static void keep(int fd)
{
    char link[64], path[PATH_MAX], partial[PATH_MAX], kept[PATH_MAX];
    const char *under = getenv("FAULTS_UNDER"), *shadow = getenv("FAULTS_SHADOW");
    if (under == NULL || shadow == NULL)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t folder = strlen(under);
    if (length < (ssize_t)folder || strncmp(path, under, folder) != 0)
        return;
    path[length] = 0;
    if (path[folder] == 0) {
        forget_deleted(under, shadow);
    } else if (path[folder] == '/' && strchr(path + folder + 1, '/') == NULL) {
        if ((size_t)snprintf(kept, sizeof kept, "%s%s", shadow, path + folder) >= sizeof kept
            || (size_t)snprintf(partial, sizeof partial, "%s%s.%d.partial", shadow, path + folder, getpid()) >= sizeof partial)
            abort();
        copy(fd, partial, kept);
    }
}

#define KEEPING(name)                                                                                                  \
    int name(int fd)                                                                                                   \
    {                                                                                                                  \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name);                                                      \
        int failed = real(fd);                                                                                         \
        if (failed == 0)                                                                                               \
            keep(fd);                                                                                                  \
        return failed;                                                                                                 \
    }

KEEPING(fsync)
KEEPING(fdatasync)

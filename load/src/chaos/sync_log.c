/* Preloaded into Redis: records the length of each file at its last sync, so that unsynced writes can be removed after a
 * kill, as by a power failure. OPENRUN_SYNC_DELAY_MS delays each sync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void record(int fd, long long length) {
  const char *folder = getenv("OPENRUN_SYNC_LOG");
  char link[64], path[4096], name[4096], text[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (!folder || size <= 0) return;
  path[size] = 0;
  /* A file name cannot contain slashes. */
  for (char *at = path; *at; at++) if (*at == '/') *at = '%';
  if (snprintf(name, sizeof name, "%s/%s", folder, path) >= (int)sizeof name) return;
  int log = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (log < 0) return;
  int digits = snprintf(text, sizeof text, "%020lld", length);
  if (pwrite(log, text, digits, 0) != digits) { /* the next sync records it */ }
  close(log);
}

static int sync_and_record(int fd, const char *name) {
  struct stat before;
  int is_file = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
  const char *delay_ms = getenv("OPENRUN_SYNC_DELAY_MS");
  if (is_file && delay_ms) usleep((useconds_t)atoi(delay_ms) * 1000);
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int result = real(fd);
  /* Writes during the sync may not be on the disk. */
  if (result == 0 && is_file) record(fd, (long long)before.st_size);
  return result;
}

int fsync(int fd) { return sync_and_record(fd, "fsync"); }
int fdatasync(int fd) { return sync_and_record(fd, "fdatasync"); }

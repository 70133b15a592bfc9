/* The module that every peer keeps: it tells the harness the moment of its first instruction and waits.
 * One record a start into the FIFO $BENCH_FIFO, written at once: "id pid nanoseconds", CLOCK_MONOTONIC.
 * It ends on SIGTERM like any program that does nothing about it, and never blocks on the harness. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  struct timespec first;
  clock_gettime(CLOCK_MONOTONIC, &first);
  const char *path = getenv("BENCH_FIFO"), *id = getenv("BENCH_ID");
  if (!path || !id) return 2;
  int fifo = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  char line[160];
  int length = snprintf(line, sizeof line, "%s %d %lld\n", id, (int)getpid(),
                        first.tv_sec * 1000000000LL + first.tv_nsec);
  if (fifo >= 0 && write(fifo, line, length) != length) return 3;
  for (;;) pause();
}

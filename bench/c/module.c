/* The module that every peer keeps. Its first instruction tells the harness the time; then it does what
 * $BENCH_DO says:
 *   wait (or nothing)  until a signal ends it, like any program that does nothing about signals
 *   lines:N:RATE:MS    after MS milliseconds prints N numbered lines of 100 bytes, one write(2) each, RATE a
 *                      second (0: flat out), then waits
 *   exit:CODE          ends at once with that code
 *   signal:NUMBER      ends at once by that signal, without a core
 *   family             starts three processes that ignore SIGTERM, then waits: 1 a child, 2 a child in a
 *                      session of its own, 3 a double-forked one in a session of its own, without environment
 *                      and under another name
 * One record a line into the FIFO $BENCH_FIFO, never blocking: "S id pid ns" start (CLOCK_MONOTONIC),
 * "E id lines ns" all printed and how long it took, "G id pid which" one of the family. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LINE 100
#define DIGITS 12
#define SECOND 1000000000LL
#define DISGUISE "[idle]"

static int fifo = -1;
static const char *id = "?";

static long long now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * SECOND + at.tv_nsec;
}

static void tell(char kind, long long first, long long second) {
  char line[160];
  int length = snprintf(line, sizeof line, "%c %s %lld %lld\n", kind, id, first, second);
  if (fifo >= 0 && write(fifo, line, length) != length) _exit(3);
}

static void wait_for_ever(void) {
  for (;;) pause();
}

static void print_lines(long long count, long long rate, long long delay_ms) {
  char line[LINE];
  memset(line, 'x', LINE);
  line[DIGITS] = ' ';
  line[LINE - 1] = '\n';
  nanosleep(&(struct timespec){delay_ms / 1000, delay_ms % 1000 * 1000000}, 0);
  long long since = now();
  for (long long i = 0; i < count; i++) {
    long long rest = i;
    for (int digit = DIGITS - 1; digit >= 0; digit--, rest /= 10) line[digit] = '0' + rest % 10;
    for (int done = 0; done < LINE;) {
      ssize_t wrote = write(1, line + done, LINE - done);
      if (wrote < 0) _exit(4);
      done += wrote;
    }
    long long early = rate ? since + (i + 1) * SECOND / rate - now() : 0;
    if (early > 0) nanosleep(&(struct timespec){early / SECOND, early % SECOND}, 0);
  }
  tell('E', count, now() - since);
}

static void family_member(int which) {
  signal(SIGTERM, SIG_IGN);
  if (which > 1) setsid();
  if (which == 3 && fork()) _exit(0);
  tell('G', getpid(), which);
  char *argv[] = {DISGUISE, 0}, *env[] = {0};
  if (which == 3) execve("/proc/self/exe", argv, env);
  wait_for_ever();
}

static void end_by(int number) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  sigset_t all;
  sigfillset(&all);
  signal(number, SIG_DFL);
  sigprocmask(SIG_UNBLOCK, &all, 0);
  kill(getpid(), number);
  wait_for_ever();
}

int main(int argc, char **argv) {
  long long first = now(), count, rate, delay_ms;
  if (argc > 0 && !strcmp(argv[0], DISGUISE)) wait_for_ever();
  if (!getenv("BENCH_FIFO") || !getenv("BENCH_ID")) return 2;
  id = getenv("BENCH_ID");
  fifo = open(getenv("BENCH_FIFO"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  tell('S', getpid(), first);
  int number;
  const char *what = getenv("BENCH_DO") ? getenv("BENCH_DO") : "wait";
  if (sscanf(what, "exit:%d", &number) == 1) return number;
  if (sscanf(what, "signal:%d", &number) == 1) end_by(number);
  if (sscanf(what, "lines:%lld:%lld:%lld", &count, &rate, &delay_ms) == 3) print_lines(count, rate, delay_ms);
  for (int which = 1; which <= 3 && !strcmp(what, "family"); which++)
    if (!fork()) family_member(which);
  wait_for_ever();
}

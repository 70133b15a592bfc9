/* The physical limit: a keeper that does nothing but vfork + execve + waitpid, output straight to a file.
 * raw-keeper CONF; a line of CONF for each module: "LOGFILE PROGRAM NAME=VALUE..." (no blanks inside a word).
 * A module that ended is started again at once. SIGTERM ends all modules, waits for them, and ends.
 * It remembers nothing, tells nobody and adopts nothing: a measure, not a tool. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULES_MAX 4096
#define VARIABLES_MAX 15

static struct {
  volatile pid_t pid;
  int log;
  char *argv[2], *env[VARIABLES_MAX + 1];
} modules[MODULES_MAX];
static int count;
static volatile sig_atomic_t ending;

static void end_all(int signal) {
  ending = 1;
  for (int i = 0; i < count; i++)
    if (modules[i].pid) kill(modules[i].pid, signal);
}

static void start(int i) {
  pid_t pid = vfork();
  if (!pid) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    dup2(modules[i].log, 1);
    dup2(modules[i].log, 2);
    execve(modules[i].argv[0], modules[i].argv, modules[i].env);
    _exit(127);
  }
  modules[i].pid = pid < 0 ? 0 : pid;
}

static void read_conf(const char *path) {
  static char line[8192];
  FILE *file = fopen(path, "r");
  while (file && count < MODULES_MAX && fgets(line, sizeof line, file)) {
    char *word = strtok(strdup(line), " \n");
    if (!word) continue;
    modules[count].log = open(word, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    modules[count].argv[0] = strtok(0, " \n");
    for (int e = 0; e < VARIABLES_MAX && (word = strtok(0, " \n")); e++) modules[count].env[e] = word;
    count++;
  }
  if (file) fclose(file);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  read_conf(argv[1]);
  struct sigaction action = {.sa_handler = end_all};
  sigaction(SIGTERM, &action, 0);
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  for (int i = 0; i < count; i++) {
    /* A SIGTERM between vfork and the note of its pid would leave that module behind. */
    sigprocmask(SIG_BLOCK, &term, 0);
    if (!ending) start(i);
    sigprocmask(SIG_UNBLOCK, &term, 0);
  }
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0) {
      if (ending) return 0;
      pause();
      continue;
    }
    sigprocmask(SIG_BLOCK, &term, 0);
    for (int i = 0; i < count; i++) {
      if (modules[i].pid != pid) continue;
      modules[i].pid = 0;
      if (!ending) start(i);
      break;
    }
    sigprocmask(SIG_UNBLOCK, &term, 0);
  }
}

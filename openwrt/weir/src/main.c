// The command line of the host: its own options, then a role and the role's arguments.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "modules.h"
#include "weir.h"

static const char usage[] =
    "usage: weir [--memory KB] [--stack KB] [ROLE] [ARGUMENTS]\n"
    "  --memory KB     ceiling of the JavaScript heap; the process ends with status 70 when it needs more\n"
    "  --stack KB      ceiling of the JavaScript stack\n"
    "  --host-help     this text\n";
static const char script_usage[] = "  --script FILE   in place of a role: runs a module from a file, for development and tests\n";

static size_t kilobytes(const char *option, const char *text) {
  char *end = NULL;
  errno = 0;
  unsigned long number = text == NULL || *text < '0' || *text > '9' ? 0 : strtoul(text, &end, 10);
  if (number == 0 || errno != 0 || *end != '\0' || number > SIZE_MAX / 1024)
    die(EXIT_USAGE, "%s wants a number of KB, not %s", option, text == NULL ? "nothing" : text);
  return number * 1024;
}

/* A stack that ends before its ceiling is reached ends the process without a word. */
static size_t stack_size(const char *option, const char *text) {
  enum { HOST = 256 * 1024 }; /* what our own buffers and callers of the engine take */
  const size_t size = kilobytes(option, text);
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) != 0) abort();
  if (limit.rlim_cur != RLIM_INFINITY && (limit.rlim_cur < HOST || size > limit.rlim_cur - HOST))
    die(EXIT_USAGE, "%s %s: the system gives a stack of %llu KB (ulimit -s), of which the host keeps %d", option, text,
        (unsigned long long)limit.rlim_cur / 1024, HOST / 1024);
  return size;
}

int main(int argc, char **argv) {
  /* A descriptor 0, 1 or 2 that is closed would become a socket, and a log line would go to a peer. */
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) abort();
  signal(SIGPIPE, SIG_IGN);

  struct options options = {0};
  int at = 1;
  while (at < argc && !options.is_file) {
    const char *option = argv[at], *value = argv[at + 1];
    if (strcmp(option, "--memory") == 0) {
      options.memory = kilobytes(option, value);
    } else if (strcmp(option, "--stack") == 0) {
      options.stack = stack_size(option, value);
    } else if (script_compiler != NULL && strcmp(option, "--script") == 0) {
      if (value == NULL) die(EXIT_USAGE, "--script wants a file");
      options.entry = value;
      options.is_file = true;
    } else if (strcmp(option, "--host-help") == 0) {
      fputs(usage, stdout);
      if (script_compiler != NULL) fputs(script_usage, stdout);
      return 0;
    } else {
      break; /* a role, or an option of the command line in it */
    }
    at += 2;
  }
  char entry[64];
  if (!options.is_file) {
    const bool is_role = at < argc && has_role(argv[at]);
    if (!is_role && !has_role("cli")) die(EXIT_USAGE, "no role %s inside\n%s", at < argc ? argv[at] : "cli", usage);
    snprintf(entry, sizeof entry, "%s.js", is_role ? argv[at++] : "cli");
    options.entry = entry;
  }
  options.argc = argc - at;
  options.argv = argv + at;
  return run(&options);
}

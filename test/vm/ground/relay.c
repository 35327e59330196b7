/* Makes a TCP port of the test look like a unix socket of the router: the fake ubusd runs beside the test, the roles look for a path. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int must(int value, const char *what) {
  if (value < 0) { perror(what); exit(1); }
  return value;
}

/* Copies what one side has to the other; false when it has ended. */
static int copy(int from, int to) {
  char bytes[65536];
  ssize_t n = read(from, bytes, sizeof bytes);
  for (ssize_t sent = 0; sent < n;) sent += must(write(to, bytes + sent, n - sent), "write");
  if (n <= 0) shutdown(to, SHUT_WR);
  return n > 0;
}

static void serve(int client, const struct sockaddr_in *to) {
  int server = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), on = 1;
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  must(connect(server, (const struct sockaddr *)to, sizeof *to), "connect");
  struct pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    must(poll(ends, 2, -1), "poll");
    if (ends[0].fd >= 0 && ends[0].revents && !copy(client, server)) ends[0].fd = -1;
    if (ends[1].fd >= 0 && ends[1].revents && !copy(server, client)) ends[1].fd = -1;
  }
}

int main(int argc, char **argv) {
  if (argc != 4) { fputs("usage: relay SOCKET ADDRESS PORT\n", stderr); return 2; }
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
  inet_pton(AF_INET, argv[2], &to.sin_addr);
  signal(SIGCHLD, SIG_IGN);
  int door = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
  must(bind(door, (struct sockaddr *)&at, sizeof at), "bind");
  must(listen(door, 16), "listen");
  must(daemon(1, 1), "daemon");
  for (;;) {
    int client = must(accept(door, NULL, NULL), "accept");
    if (must(fork(), "fork") == 0) { close(door); serve(client, &to); return 0; }
    close(client);
  }
}

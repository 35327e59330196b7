// Literals of IPv4 and IPv6 (with a zone, fe80::1%eth0) and socket addresses. Resolves no names.

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "weir.h"

bool parse_address(const char *text, int port, struct address *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_in *four = (struct sockaddr_in *)&address->storage;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    address->length = sizeof *four;
    return true;
  }
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address->storage;
  char literal[INET6_ADDRSTRLEN] = "";
  size_t length = strcspn(text, "%");
  if (length >= sizeof literal) return false;
  memcpy(literal, text, length);
  if (inet_pton(AF_INET6, literal, &six->sin6_addr) != 1) return false;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons((uint16_t)port);
  if (text[length] == '%') {
    six->sin6_scope_id = if_nametoindex(text + length + 1);
    if (six->sin6_scope_id == 0) return false;
  }
  address->length = sizeof *six;
  return true;
}

int format_address(const struct address *address, char text[ADDRESS_TEXT]) {
  if (address->storage.ss_family == AF_INET) {
    const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
    inet_ntop(AF_INET, &four->sin_addr, text, ADDRESS_TEXT);
    return ntohs(four->sin_port);
  }
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
  char zone[IF_NAMESIZE];
  inet_ntop(AF_INET6, &six->sin6_addr, text, ADDRESS_TEXT);
  if (six->sin6_scope_id != 0 && if_indextoname(six->sin6_scope_id, zone) != NULL)
    snprintf(text + strlen(text), ADDRESS_TEXT - strlen(text), "%%%s", zone);
  return ntohs(six->sin6_port);
}

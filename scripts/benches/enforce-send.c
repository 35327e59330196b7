// Sends small UDP packets as raw frames out of one link, as fast as one core can: each with the address of a session drawn at random, on
// the guest's side of the packet. What is at the other end of the link (veth, route, veth) happens in the same core's time.
//
//   send LINK MAC up|down FIRST COUNT OTHER all|MILLISECONDS
//
// FIRST COUNT: the sessions' addresses; OTHER: the host they talk to; all: once each, in order. Prints packets sent, processor ns, wall ns.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, PAYLOAD = 18, GUEST_PORT = 4000, OTHER_PORT = 443 };

/* The first two bytes stay here: they put the addresses on a border of four. */
struct frame {
  uint16_t unsent;
  struct ether_header ethernet;
  struct iphdr ip;
  struct udphdr udp;
  uint8_t payload[PAYLOAD];
};
enum { IP_SIZE = sizeof(struct iphdr) + sizeof(struct udphdr) + PAYLOAD, SIZE = sizeof(struct ether_header) + IP_SIZE };

static int64_t now(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) err(1, "clock");
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static uint16_t checksum(const struct iphdr *ip) {
  const uint16_t *words = (const void *)ip;
  uint32_t sum = 0;
  for (size_t i = 0; i < sizeof *ip / 2; i++) sum += words[i];
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~(sum + (sum >> 16));
}

static uint32_t draw(void) {
  static uint32_t state = 2463534242;
  state ^= state << 13;
  state ^= state >> 17;
  return state ^= state << 5;
}

int main(int argc, char **argv) {
  if (argc != 8) errx(2, "usage: send LINK MAC up|down FIRST COUNT OTHER all|MILLISECONDS");
  const int up = strcmp(argv[3], "up") == 0, all = strcmp(argv[7], "all") == 0;
  const uint32_t first = ntohl(inet_addr(argv[4])), count = (uint32_t)atoi(argv[5]), other = inet_addr(argv[6]);
  const struct ether_addr *mac = ether_aton(argv[2]);
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[1])};
  if (mac == NULL || fd < 0 || bind(fd, (struct sockaddr *)&link, sizeof link) != 0) err(1, "%s", argv[1]);

  static struct frame frames[BATCH];
  struct iovec vectors[BATCH];
  struct mmsghdr messages[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) {
    struct frame *f = &frames[i];
    memcpy(f->ethernet.ether_dhost, mac, sizeof f->ethernet.ether_dhost);
    f->ethernet.ether_type = htons(ETHERTYPE_IP);
    f->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .saddr = other, .daddr = other};
    f->ip.tot_len = htons(IP_SIZE);
    f->udp.uh_sport = htons(up ? GUEST_PORT : OTHER_PORT);
    f->udp.uh_dport = htons(up ? OTHER_PORT : GUEST_PORT);
    f->udp.uh_ulen = htons(sizeof f->udp + PAYLOAD);
    vectors[i] = (struct iovec){&f->ethernet, SIZE};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }

  const int64_t begun = now(CLOCK_MONOTONIC), used = now(CLOCK_THREAD_CPUTIME_ID);
  const int64_t end = all ? INT64_MAX : used + atoll(argv[7]) * 1000000;
  uint32_t sent = 0;
  while (all ? sent < count : now(CLOCK_THREAD_CPUTIME_ID) < end) {
    const uint32_t size = all && count - sent < BATCH ? count - sent : BATCH;
    for (uint32_t i = 0; i < size; i++) {
      struct iphdr *ip = &frames[i].ip;
      const uint32_t guest = htonl(first + (all ? sent + i : draw() % count));
      if (up) ip->saddr = guest;
      else ip->daddr = guest;
      ip->check = 0;
      ip->check = checksum(ip);
    }
    for (uint32_t done = 0; done < size;) {
      const int went = sendmmsg(fd, messages + done, size - done, 0);
      if (went <= 0) err(1, "send");
      done += (uint32_t)went;
    }
    sent += size;
  }
  printf("%u %lld %lld\n", sent, (long long)(now(CLOCK_THREAD_CPUTIME_ID) - used), (long long)(now(CLOCK_MONOTONIC) - begun));
  return 0;
}

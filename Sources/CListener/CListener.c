#include "CListener.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

long lc_listeners(int family, uint16_t port, uint32_t *inodes, long room) {
  struct {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
  } question;
  memset(&question, 0, sizeof question);
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = (uint8_t)family;
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = 1u << 10;  // TCP_LISTEN
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return -(long)errno;
  if (send(fd, &question, sizeof question, 0) < 0) {
    long error = errno;
    close(fd);
    return -error;
  }
  long count = 0, result = 0;
  int more = 1;
  while (more) {
    char buffer[16384] __attribute__((aligned(8)));
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length <= 0) {
      if (length < 0 && errno == EINTR) continue;
      result = length < 0 ? -(long)errno : -EPIPE;
      break;
    }
    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, (size_t)length); m = NLMSG_NEXT(m, length)) {
      if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) {
        more = 0;
        break;
      }
      if (m->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) continue;
      const struct inet_diag_msg *found = NLMSG_DATA(m);
      if (found->id.idiag_sport != htons(port)) continue;
      if (count < room) inodes[count] = found->idiag_inode;
      count++;
    }
  }
  close(fd);
  return result < 0 ? result : (count < room ? count : room);
}

long lc_take_no_more(int listener) {
  // A filter of a TCP socket sees the segment from its TCP header on; byte 13 holds the flags, SYN is 2 and ACK 16.
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ? -(long)errno : 0;
}

long lc_queued(int listener) {
  struct tcp_info information;
  socklen_t length = sizeof information;
  if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &information, &length)) return -(long)errno;
  return (long)information.tcpi_unacked;
}

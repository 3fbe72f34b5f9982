#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "CListener.h"

// How many milliseconds are left of what began then.
static int left(struct timespec began, int patience) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long spent = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
  return spent >= patience ? 0 : patience - (int)spent;
}

// Reads until the second line has ended: the first is the greeting. Descriptors come with the bytes of the second.
static long receive(int fd, int *numbers, int room, int patience) {
  struct timespec began;
  clock_gettime(CLOCK_MONOTONIC, &began);
  int count = 0, lines = 0;
  while (lines < 2) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int ready = poll(&entry, 1, left(began, patience));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    char bytes[4096];
    union {
      struct cmsghdr header;
      char space[CMSG_SPACE(253 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      size_t received = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < received; i++) {
        int number;
        memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
        if (count < room) numbers[count++] = number;
        else close(number);
      }
    }
    for (ssize_t i = 0; i < length; i++) lines += bytes[i] == '\n';
  }
  return count;
}

long lc_fetch_listeners(const char *path, int *numbers, int room, int patience) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  static const char question[] = "listeners\n";
  long result = -ECONNREFUSED;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == sizeof question - 1) {
    result = receive(fd, numbers, room, patience);
  }
  close(fd);
  return result;
}

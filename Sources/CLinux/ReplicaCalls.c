// System calls that a keeper of replicas makes and lastcall-init does not: nothing of this is in its binary.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CLinux.h"
#include "SystemCall.h"

// musl's own CMSG_NXTHDR compares so.
#pragma clang diagnostic ignored "-Wsign-compare"

struct lc_replica lc_replica;
void lc_set_watchdog_pid(char *place) { lc_replica.watchdog_pid = place; }
void lc_resume_signals(uint64_t inherited, int children_were_ignored) {
  lc_replica.is_resumed = 1;
  lc_replica.mask = inherited;
  lc_replica.children_were_ignored = children_were_ignored;
}

// MARK: Files

long lc_size(int fd) { return lc_call3(SYS_lseek, fd, 0, SEEK_END); }
long lc_truncate(int fd, long size) { return lc_call2(SYS_ftruncate, fd, size); }
long lc_last_byte(int fd) {
  unsigned char byte;
  long result = lc_call3(SYS_lseek, fd, -1, SEEK_END);
  if (result >= 0) result = lc_read(fd, &byte, 1);
  return result < 0 ? result : result == 0 ? -ENODATA : byte;
}
long lc_read_link(const char *path, char *text, unsigned long size) {
  return lc_call5(SYS_readlinkat, AT_FDCWD, (long)path, (long)text, size, 0);
}
long lc_change_owner(const char *path, unsigned user) {
  return lc_call5(SYS_fchownat, AT_FDCWD, (long)path, user, (unsigned)-1, AT_SYMLINK_NOFOLLOW);
}
long lc_memory_file(const char *name) { return lc_call2(SYS_memfd_create, (long)name, 0); }
long lc_rewind(int fd) { return lc_call3(SYS_lseek, fd, 0, SEEK_SET); }
int lc_is_same_file(int fd, int other) {
  int pid = lc_pid();
  return lc_call5(SYS_kcmp, pid, pid, 0 /* KCMP_FILE */, fd, other) == 0;
}

// MARK: Messages with descriptors

enum { MOST = 253 }; // SCM_MAX_FD of the kernel

long lc_pass_credentials(int fd) {
  int on = 1;
  return lc_call5(SYS_setsockopt, fd, SOL_SOCKET, SO_PASSCRED, (long)&on, sizeof on);
}

long lc_receive_message(int fd, void *bytes, unsigned long count, struct lc_message *message) {
  union {
    char space[CMSG_SPACE(MOST * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr aligned;
  } control;
  struct iovec part = {bytes, count};
  struct msghdr header;
  memset(&header, 0, sizeof header);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.space;
  header.msg_controllen = sizeof control.space;
  message->count = 0;
  message->sender = 0;
  message->user = ~0u;
  long result = lc_call3(SYS_recvmsg, fd, (long)&header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (result < 0) return result;
  for (struct cmsghdr *next = CMSG_FIRSTHDR(&header); next; next = CMSG_NXTHDR(&header, next)) {
    if (next->cmsg_level != SOL_SOCKET) continue;
    if (next->cmsg_type == SCM_CREDENTIALS) {
      struct ucred sender;
      memcpy(&sender, CMSG_DATA(next), sizeof sender);
      message->sender = sender.pid;
      message->user = sender.uid;
    } else if (next->cmsg_type == SCM_RIGHTS) {
      message->count = (int)((next->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(message->descriptors, CMSG_DATA(next), (unsigned)message->count * sizeof(int));
    }
  }
  return result;
}

long lc_send_message(int fd, const void *bytes, unsigned long length, const int *descriptors, int count) {
  union {
    char space[CMSG_SPACE(MOST * sizeof(int))];
    struct cmsghdr aligned;
  } control;
  if (count > MOST) return -EINVAL;
  struct iovec part = {(void *)bytes, length};
  struct msghdr header;
  memset(&header, 0, sizeof header);
  memset(&control, 0, sizeof control);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (count > 0) {
    unsigned size = (unsigned)count * sizeof(int);
    header.msg_control = control.space;
    header.msg_controllen = CMSG_SPACE(size);
    control.aligned.cmsg_level = SOL_SOCKET;
    control.aligned.cmsg_type = SCM_RIGHTS;
    control.aligned.cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(&control.aligned), descriptors, size);
  }
  return lc_call3(SYS_sendmsg, fd, (long)&header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// MARK: Becoming another

unsigned lc_user(void) { return (unsigned)lc_call1(SYS_geteuid, 0); }
long lc_become_user(unsigned user, unsigned group, const unsigned *groups, unsigned long count) {
  // The groups first: who is no longer root may not change them.
  long result = lc_call2(SYS_setgroups, (long)count, (long)groups);
  if (result == 0) result = lc_call3(SYS_setresgid, group, group, group);
  return result == 0 ? lc_call3(SYS_setresuid, user, user, user) : result;
}
void lc_set_umask(unsigned mask) { lc_call1(SYS_umask, mask); }
long lc_set_limit(int pid, int resource, uint64_t soft, uint64_t hard) {
  uint64_t limit[2] = {soft, hard};
  return lc_call5(SYS_prlimit64, pid, resource, (long)limit, 0, 0);
}

long lc_execute(const char *path, const char *const *argv, const char *const *environment, int gives_mask_back) {
#ifdef LASTCALL_FREESTANDING
  if (gives_mask_back) lc_call5(SYS_rt_sigprocmask, SIG_SETMASK, (long)&lc_inherited_mask, 0, sizeof lc_inherited_mask, 0);
#else
  (void)gives_mask_back; // only a keeper changes it, and that one keeps it
#endif
  return lc_call3(SYS_execve, (long)path, (long)argv, (long)environment);
}

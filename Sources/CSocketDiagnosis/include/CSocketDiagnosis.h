// Listening TCP sockets by port, asked of the kernel (sock_diag(7)): /proc/net/tcp lists every connection there is.
#ifndef LASTCALL_SOCKET_DIAGNOSIS_H
#define LASTCALL_SOCKET_DIAGNOSIS_H

#include <stdint.h>

// Puts the inodes of sockets of a family that listen on a port into inodes, at most `room` of them.
// Returns how many there are, or -errno.
long lc_listeners(int family, uint16_t port, uint32_t *inodes, long room);

#endif

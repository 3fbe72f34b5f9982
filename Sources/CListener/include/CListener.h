// Listening TCP sockets: by port, asked of the kernel (sock_diag(7)), since /proc/net/tcp lists every connection there is; and how
// one is emptied before it is closed.
#ifndef LASTCALL_LISTENER_H
#define LASTCALL_LISTENER_H

#include <stdint.h>

// Puts the inodes of sockets of a family that listen on a port into inodes, at most `room` of them.
// Returns how many there are, or -errno.
long lc_listeners(int family, uint16_t port, uint32_t *inodes, long room);

// Lets a listening socket take no new connection: the kernel drops their first segment (a SYN without an ACK), so that a client
// tries again and is refused by the port once it is closed. Handshakes under way end, what is queued stays. Returns 0, or -errno.
long lc_take_no_more(int listener);

// How many connections wait for accept(2) on a listening socket (tcp(7), TCP_INFO: tcpi_unacked), or -errno.
long lc_queued(int listener);

#endif

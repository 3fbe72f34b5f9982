"""Counts a program's processes without looking for them: the kernel tells of each execve of its file, and of each end (fanotify(7))."""
import ctypes
import os
import select
import struct
import time

from tools import BenchError

FAN_CLOEXEC, FAN_NONBLOCK, FAN_UNLIMITED_QUEUE = 0x01, 0x02, 0x10
FAN_MARK_ADD = 0x01
FAN_OPEN_EXEC, FAN_CLOSE_NOWRITE = 0x1000, 0x10
AT_FDCWD = -100
# struct fanotify_event_metadata: event_len, vers, reserved, metadata_len, mask, fd, pid.
EVENT = struct.Struct("=IBBHQii")
# Between two looks, so that we take little of the time that is measured. It is the resolution, too.
PAUSE = 0.002


class Watch:
    """How many processes have become the program, and how many of them live."""

    def __init__(self, program):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE, os.O_RDONLY | os.O_CLOEXEC)
        mask = ctypes.c_uint64(FAN_OPEN_EXEC | FAN_CLOSE_NOWRITE)
        if self.fd < 0 or libc.fanotify_mark(self.fd, FAN_MARK_ADD, mask, AT_FDCWD, program.encode()) < 0:
            raise BenchError(f"the kernel does not tell of processes (fanotify): {os.strerror(ctypes.get_errno())}")
        self.started = self.ended = self.most = 0

    @property
    def living(self):
        return self.started - self.ended

    def look(self):
        while True:
            try:
                events = os.read(self.fd, EVENT.size * 256)
            except BlockingIOError:
                return
            for _, _, _, _, mask, fd, _ in EVENT.iter_unpack(events):
                if mask & FAN_OPEN_EXEC:
                    self.started += 1
                if mask & FAN_CLOSE_NOWRITE:
                    self.ended += 1
                if fd >= 0:
                    os.close(fd)
                self.most = max(self.most, self.living)

    def until(self, is_reached, seconds):
        """Waits for what the counts have to be; gives back the moment, or None when it did not come in time."""
        deadline = time.monotonic() + seconds
        while True:
            self.look()
            now = time.monotonic()
            if is_reached():
                return now
            if now >= deadline:
                return None
            time.sleep(PAUSE)
            select.select([self.fd], [], [], max(0, deadline - time.monotonic()))

import CLinux
import Linux
import StopPlan

/// A cgroup v2 of the main process's own (cgroups(7)): what is in it is killed at once, however fast it forks.
struct Cgroup {
  /// Its directory; empty when there is none.
  let directory: ByteView

  /// Makes it unless it is there.
  /// - Returns: the number of its cgroup.procs, open: whoever writes 0 to it is in the cgroup; -1 when there is none.
  func open() throws(SystemError) -> Int32 {
    if directory.isEmpty { return -1 }
    try Path(directory).makeDirectory()
    return try Path(directory).appending("cgroup.procs").open(O_WRONLY).number
  }

  /// KILLs everything in it; older kernels (before 5.14) cannot.
  func kill() {
    guard let file = try? Path(directory).appending("cgroup.kill").open(O_WRONLY) else { return }
    _ = lc_write(file.number, "1", 1)
    file.close()
  }

  /// Removes it once it is empty.
  func remove() { if !directory.isEmpty { Path(directory).removeDirectory() } }
}

import AppSpec
import Linux
import StopPlan

/// What is to be done for a replica that is a container when its keeper has ended: what podman keeps does not end with its processes.
extension ReplicaProcess {
  /// The keeper was killed: the container is stopped by podman, by its own stop signal and within what is left of the grace.
  func stopContainer(by deadline: Instant) async {
    guard let container = command.container, directory.hasContainer else { return }
    do { try await beside.podman.stop(container.name, by: deadline) } catch {
      await warn("Failed", "\(container.name) cannot be stopped: \(error)")
    }
  }

  /// Removes what was left of the container because it was killed. `podman run --rm` has removed one that ended by itself.
  func clearContainer() async {
    guard let container = command.container, directory.hasContainer else { return }
    if case .code(125) = exitStatus, let words = directory.podmansWords() { await warn("Failed", "\(name) did not start: \(words)") }
    do { try await beside.podman.remove(container.name) } catch { await warn("Failed", "\(container.name) cannot be removed: \(error)") }
  }
}

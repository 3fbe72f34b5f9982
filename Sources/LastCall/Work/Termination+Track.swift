extension Termination {
  /// Runs work that a stop waits for.
  ///
  /// While a stop waits, the log says once a second what is still under way. The work goes on undisturbed until the drain is over; to end
  /// earlier it asks ``isStopping`` or awaits `gracefulShutdown()`. No task is created.
  /// - Parameters:
  ///   - name: what it is called; nil for the current task's name, else the function's.
  ///   - kind: what kind of work it is.
  ///   - fileID: the caller's file, filled in by the compiler.
  ///   - line: the caller's line, filled in by the compiler.
  ///   - function: the caller's function, filled in by the compiler.
  ///   - isolation: the caller's actor, filled in by the compiler: the body runs there.
  ///   - body: the work. It counts as cut when its task has been cancelled by its end, else as completed.
  @inlinable public func track<R>(
    _ name: String? = nil, kind: TrackedWork.Kind = .task, fileID: StaticString = #fileID, line: UInt = #line, function: String = #function,
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async rethrows -> R {
    let work = beginWork(name, kind: kind, fileID: fileID, line: line, function: function)
    defer { work.end(cut: Task.isCancelled) }
    return try await body()
  }

  /// Runs work that a stop waits for, and hands it its entry, for notes on its progress.
  /// - Parameters:
  ///   - name: what it is called; nil for the current task's name, else the function's.
  ///   - kind: what kind of work it is.
  ///   - fileID: the caller's file, filled in by the compiler.
  ///   - line: the caller's line, filled in by the compiler.
  ///   - function: the caller's function, filled in by the compiler.
  ///   - isolation: the caller's actor, filled in by the compiler: the body runs there.
  ///   - body: the work.
  @inlinable public func track<R>(
    _ name: String? = nil, kind: TrackedWork.Kind = .task, fileID: StaticString = #fileID, line: UInt = #line, function: String = #function,
    isolation: isolated (any Actor)? = #isolation, _ body: (TrackedWork) async throws -> R
  ) async rethrows -> R {
    let work = beginWork(name, kind: kind, fileID: fileID, line: line, function: function)
    defer { work.end(cut: Task.isCancelled) }
    return try await body(work)
  }

  /// Begins work that a stop waits for until its ``TrackedWork/end(cut:)``: for code that has no one function to wrap, as a channel handler.
  /// It must be ended; one that is forgotten holds every drain up to its limit, and the report names it.
  /// - Parameters:
  ///   - name: what it is called; nil for the current task's name, else the function's.
  ///   - kind: what kind of work it is.
  ///   - fileID: the caller's file, filled in by the compiler.
  ///   - line: the caller's line, filled in by the compiler.
  ///   - function: the caller's function, filled in by the compiler.
  public func beginWork(
    _ name: String? = nil, kind: TrackedWork.Kind = .task, fileID: StaticString = #fileID, line: UInt = #line, function: String = #function
  ) -> TrackedWork {
    let list = work.list
    let tracked = TrackedWork(
      name: name ?? Task.name ?? function, kind: kind, began: clock.stamp(), fileID: fileID, line: line, list: list)
    list.add(tracked)
    return tracked
  }

  /// How much tracked work is under way.
  public var workCount: Int { work.count }
}

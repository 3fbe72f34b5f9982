import AppSpec

extension AppFile {
  /// Refuses what can be declared and is not carried out by this version: better nothing is started than something else.
  /// - Throws: `EngineError`, a line for each.
  public func checkCarriedOut() throws(EngineError) {
    var lines: [String] = []
    for app in apps {
      if app.kind == .job { lines.append("\(path): apps.\(app.name).kind: jobs are not run by this version of lastcall") }
    }
    if !lines.isEmpty { throw EngineError(lines.joined(separator: "\n")) }
  }
}

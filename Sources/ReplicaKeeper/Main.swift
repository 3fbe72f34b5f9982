import CLinux
import Keeper

// lastcall-keeper: argv to ReplicaKeeper, nothing more.

#if hasFeature(Embedded)
  /// The entry that the C start-up code calls.
  @_cdecl("main")
  public func main(
    _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
    _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  ) -> Int32 {
    Int32(ReplicaKeeper.keep(arguments: arguments, environment: environment))
  }
#else
  @main
  enum Main {
    static func main() { exit(Int32(ReplicaKeeper.keep(arguments: CommandLine.unsafeArgv, environment: lc_environ()))) }
  }
#endif

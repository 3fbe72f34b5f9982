import CLinux
import Keeper
import Linux

// lastcall-init: argv to Keeper, nothing more.

private func strings(_ pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [[UInt8]] {
  var strings: [[UInt8]] = []
  var index = 0
  while let string = pointer?[index] {
    strings.append(bytes(of: string))
    index += 1
  }
  return strings
}

private func run(_ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
  Int32(Keeper.run(arguments: Array(strings(argv).dropFirst()), environment: strings(lc_environ())))
}

#if hasFeature(Embedded)
  @_cdecl("main")
  public func main(_ argc: Int32, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
    run(argv)
  }
#else
  @main
  enum Main {
    static func main() { exit(run(CommandLine.unsafeArgv)) }
  }
#endif

#if !hasFeature(Embedded)
  import CLinux

  /// Low numbers that are held free for what programs are to inherit, in a process with thousands of descriptors.
  ///
  /// A fork copies the table of descriptors and execve(2) closes the copies one by one: for 5,000 replicas three quarters of the work of
  /// their start. When all that a program inherits has low numbers, only these are copied (close_range(2), CLOSE_RANGE_UNSHARE).
  public struct LowDescriptors: Sendable {
    /// Above what the programs find them at: 0, 1, 2 and `Program.placed`.
    private static let least: Int32 = 64

    /// What a number leads to while no program is started.
    private let none: Descriptor
    private let numbers: [Descriptor]

    /// Holds `count` numbers, which are to be low: this is called early.
    public init(count: Int) throws(SystemError) {
      none = try Path("/dev/null").open(O_RDWR)
      var numbers: [Descriptor] = []
      for _ in 0..<count { numbers.append(try none.duplicate(above: Self.least)) }
      self.numbers = numbers
    }

    /// All of them are below this one.
    var end: Int32 { (numbers.last?.number ?? -1) + 1 }

    /// Gives each of these a low number as well, until `clear`; nil when there are too many.
    func lend(_ descriptors: [Descriptor]) throws(SystemError) -> [Descriptor]? {
      if descriptors.count > min(numbers.count, Int(Self.least) - 3) { return nil }
      let lent = Array(numbers.prefix(descriptors.count))
      do throws(SystemError) {
        for (descriptor, low) in zip(descriptors, lent) { try descriptor.duplicate(onto: low) }
      } catch {
        clear(lent)
        throw error
      }
      return lent
    }

    /// Lets go of what was lent.
    func clear(_ lent: [Descriptor]) { for low in lent { try? none.duplicate(onto: low) } }
  }
#endif

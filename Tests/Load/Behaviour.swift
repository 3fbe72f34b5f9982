/// What a connection of the load does over and over.
public enum Behaviour: String, Sendable, CaseIterable, Codable, CodingKeyRepresentable {
  /// Many GETs on one connection.
  case keepAlive = "keep-alive"
  /// A new connection for every GET; the client closes it after the whole response.
  case new
  /// GETs of a path that takes about a second, on one connection.
  case slow
  /// GETs of a long or chunked response, read piece by piece, on one connection.
  case stream
  /// POSTs with a body; the first, third, … of these connections keep alive, the others open a new one for every request.
  case post
  /// Two to eight GETs written at once, again and again, on one connection (RFC 9112 section 9.3.2).
  case pipelined
  /// Text messages of 1 to 1,000 bytes to a WebSocket that echoes them, one after the other on one connection (RFC 6455).
  case websocket
}

/// How many of the connections behave in which way.
public struct Mix: Sendable, Equatable {
  /// Weights in the order they were given; all positive.
  public let weights: [(behaviour: Behaviour, weight: Int)]

  /// Why a mix cannot be read.
  public enum ParseError: Error, Equatable, CustomStringConvertible {
    /// The part is not `name=weight`, or the weight is not a number from 0 to 100000.
    case notAWeight(String)
    /// No behaviour has that name.
    case unknownBehaviour(String)
    /// The same behaviour appears twice.
    case repeated(String)
    /// No behaviour has a weight above 0.
    case empty

    /// What is wrong and what to write instead.
    public var description: String {
      let names = Behaviour.allCases.map(\.rawValue).joined(separator: ", ")
      return switch self {
      case .notAWeight(let part): "'\(part)' in the mix is not NAME=WEIGHT with a weight from 0 to 100000"
      case .unknownBehaviour(let name): "there is no behaviour '\(name)'; the behaviours are \(names)"
      case .repeated(let name): "behaviour '\(name)' is in the mix twice; name it once"
      case .empty: "the mix gives no behaviour a weight above 0; try keep-alive=1"
      }
    }
  }

  /// `keep-alive=24,new=16,slow=8,stream=8,post=8`
  public static let standard = Mix(weights: [(.keepAlive, 24), (.new, 16), (.slow, 8), (.stream, 8), (.post, 8)])

  private init(weights: [(behaviour: Behaviour, weight: Int)]) {
    self.weights = weights
  }

  /// Reads `NAME=WEIGHT,NAME=WEIGHT…`.
  /// - Throws: what is wrong with the text.
  public init(parsing text: String) throws(ParseError) {
    var weights: [(behaviour: Behaviour, weight: Int)] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let weight = Int(sides[1]), (0...100_000).contains(weight) else {
        throw .notAWeight(String(part))
      }
      guard let behaviour = Behaviour(rawValue: String(sides[0])) else { throw .unknownBehaviour(String(sides[0])) }
      guard !weights.contains(where: { $0.behaviour == behaviour }) else { throw .repeated(behaviour.rawValue) }
      weights.append((behaviour, weight))
    }
    weights.removeAll { $0.weight == 0 }
    guard !weights.isEmpty else { throw .empty }
    self.weights = weights
  }

  /// Shares `count` connections out by smooth weighted round robin: any run of the list is as close to the weights as it can be.
  public func assign(_ count: Int) -> [Behaviour] {
    let total = weights.reduce(0) { $0 + $1.weight }
    var credit = weights.map { _ in 0 }
    return (0..<max(0, count)).map { _ in
      var best = 0
      for index in weights.indices {
        credit[index] += weights[index].weight
        if credit[index] > credit[best] { best = index }
      }
      credit[best] -= total
      return weights[best].behaviour
    }
  }

  /// Whether both give the same weights in the same order.
  public static func == (one: Mix, other: Mix) -> Bool {
    one.weights.elementsEqual(other.weights) { $0 == $1 }
  }
}

/// A state as users know it, and why it is so: in one word for scripts, as conditions of Kubernetes have it, and in words for people.
struct ShownState {
  let name: String
  let reason: String
  var message: String

  init(_ name: String, _ reason: String, _ message: String = "") {
    (self.name, self.reason, self.message) = (name, reason, message)
  }
}

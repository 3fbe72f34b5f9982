import StopPlan

/// `ExitStatus` under a name that Swift Testing has not taken.
typealias ProcessStatus = ExitStatus

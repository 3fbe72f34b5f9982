@_exported import struct StopPlan.Signal

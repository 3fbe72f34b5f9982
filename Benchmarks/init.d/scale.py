"""How much of everything is run."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    name: str
    start_rounds: int
    start_runs: int
    idle_seconds: int
    memory_starts: int  # beside the one that is idle
    early_rounds: int
    early_runs: int
    cleanup_runs: int
    peer_cleanup_runs: int
    latency_rounds: int
    latency_signals: int
    reaping_rounds: int
    orphans: int  # of all rounds together
    tree_rounds: int
    tree_size: int
    bomb_size: int


FULL = Scale(
    name="full",
    start_rounds=40,
    start_runs=20,
    idle_seconds=10,
    memory_starts=8,
    early_rounds=3,
    early_runs=3000,
    cleanup_runs=100,
    peer_cleanup_runs=10,
    latency_rounds=20,
    latency_signals=10_000,
    reaping_rounds=10,
    orphans=100_000,
    tree_rounds=7,
    tree_size=2000,
    bomb_size=500,
)

QUICK = Scale(
    name="quick",
    start_rounds=10,
    start_runs=10,
    idle_seconds=3,
    memory_starts=2,
    early_rounds=2,
    early_runs=300,
    cleanup_runs=20,
    peer_cleanup_runs=2,
    latency_rounds=6,
    latency_signals=2000,
    reaping_rounds=6,
    orphans=12_000,
    tree_rounds=3,
    tree_size=800,
    bomb_size=200,
)

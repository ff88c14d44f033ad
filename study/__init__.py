"""Everything about runs: one run's folder and identity, sweeps, searches, and comparisons."""

import sys

if sys.platform == "win32":  # every command imports this package first
    raise SystemExit("Error: Evenly runs on Linux and macOS; on Windows, use the Windows Subsystem for Linux")

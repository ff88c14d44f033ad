"""Everything about runs: their folders, sweeps, searches and comparisons."""

"""Data sets, one file each (or one for two that share a format)."""

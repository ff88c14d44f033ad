"""Why the audit and the flat field disagree on an architecture, a sentence each; empty where they never do."""

EXPLAINED: dict[str, str] = {}

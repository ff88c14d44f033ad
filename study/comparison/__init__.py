"""Many runs into one answer with its uncertainty: gather, compare, print, draw. Needs no torch."""

"""Rasters that know where on the Earth they lie."""

"""Many published architectures, without weights: does the audit say of them what a flat field then shows?"""

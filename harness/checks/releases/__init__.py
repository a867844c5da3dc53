"""Releases of a package, or commits of a checkout, probed one by one: what each came to, and which changed what."""

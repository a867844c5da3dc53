"""Environments that are built: of requirements, once, by uv, content-addressed by what was resolved.

`build.build(spec)` is what others call: with or without a grid it returns the interpreter and its lock.
"""

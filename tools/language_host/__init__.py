"""A Pulumi language host for Python, for a `pulumi` that comes without one: a build of its Go modules does.

The engine finds it as `pulumi-language-python` on PATH, starts it, reads a port from its standard output and asks it
over gRPC to run programs and policy packs. `server` and `program` are started as scripts, in any folder.
"""

__all__ = ["launchers", "program", "server"]

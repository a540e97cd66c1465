"""A Pulumi language host for Python, for a `pulumi` that comes without one: a build of its Go modules does.

The engine finds it as `pulumi-language-python` on PATH, starts it, reads a port from its standard output and asks it
over gRPC to run programs and policy packs. `server`, `program` and `provider` are started as scripts.
"""

__all__ = ["launchers", "program", "provider", "server"]

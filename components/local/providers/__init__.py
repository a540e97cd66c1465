"""The local machine as Pulumi resources: processes, files, ports and stores with create, read, update, diff, delete.

The classes live in an importable package because Pulumi pickles a provider by reference: state then holds the name of
the class and not its code.
"""

__all__ = [
    "base",
    "directory",
    "feature_views",
    "port_pair",
    "process",
    "registry",
    "rendered_file",
    "rpc",
    "supervisor",
]

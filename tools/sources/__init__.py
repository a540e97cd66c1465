"""Where the external programs come from, one file a kind of registry; each leaves its executables in a given folder."""

__all__ = ["debian", "go_module", "wheel"]

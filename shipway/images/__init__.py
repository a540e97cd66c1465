"""Images: a bundle as an OCI image, made without a container builder, signed, and found by the bundle's digest.

A model's image is a base, pinned by its digest in the environment's file, and one layer with the bundle. The base holds
Python, the locked packages and the part of Shipway that a slot runs. So the same bundle on the same base is the same
image, byte for byte, on every machine; and a bundle can be looked up in the registry without building anything:

    <image_registry>/<model>:bundle-<64 hex of the bundle>.<first 16 hex of the base>

Beside it lie what admission and auditors read: signature, provenance and bill of materials.
"""

__all__ = [
    "attach",
    "base",
    "bom",
    "build",
    "credentials",
    "documents",
    "fetch",
    "find",
    "layers",
    "make",
    "packages",
    "registry",
    "signing",
]

"""The bundle: code, model, schema and thresholds of one version, addressed by the digest of their contents.

A bundle lies at `<store>/sha256/<hex>/` and holds

    manifest.json          canonical JSON; its sha256 is the bundle's digest
    files/                 everything the manifest covers
      src/<package>/*.py   the service's own code, without tests and releases
      model/...            the artifact, in a format of the allow-list; by default model/model.skops
      model.json           `served.ServedModel`: the parts of model.yaml that decide how the version answers,
                           and the faults of a rehearsal
      reference.json       `reference.Reference`: the distributions of the validation set
    bento/                 a Bento built from files/; not covered, because it holds times and tags

Owner, resources and rollout settings are not covered: a new pager number is no new version.

How a service's code is imported, everywhere: the folder that holds the package (`services/` in a checkout,
`files/src/` in a bundle) goes on `sys.path`, and modules are imported by their full name, so that
`from flight_delay.schema import SCHEMA` means the same in both. `source.import_from` is the one loader;
a process serves from one such folder only, and the loader refuses a second. The served class is
`<package>.service:<PackageInCamelCase>`, as in `flight_delay.service:FlightDelay`.
"""

__all__ = ["canonical", "formats", "isolated", "loaders", "manifest", "reference", "served", "source", "store"]

"""The faults of the design, by what they strike: versions, evidence, processes, files."""

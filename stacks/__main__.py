"""The program: a stack holds the platform of an environment, its models, or both, as its file says."""

from components.program import run

run(__file__)

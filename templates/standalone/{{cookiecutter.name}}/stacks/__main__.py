"""The program, which comes with the package shipway-stack: it deploys what services/ holds."""

from components.program import run

run(__file__)

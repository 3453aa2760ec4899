"""Rebuilder: rebuild a published artifact from its declared source and prove what came out."""

__version__ = "0.1.0"

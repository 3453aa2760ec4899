"""Statements about rebuilds, their envelopes, and how a bundle of them is verified. No I/O."""

"""Toolchain locks: solve them, read them from a `.buildinfo`, materialise them bit for bit, pack them."""

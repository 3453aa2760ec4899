"""Resolve: from a target to what was published, its source, and how it is rebuilt."""

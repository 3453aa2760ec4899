"""Comparison and verdict. No I/O here: bytes come in as open streams, values go out."""

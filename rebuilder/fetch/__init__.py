"""Bytes from mirrors into the blob store, checked while they stream."""

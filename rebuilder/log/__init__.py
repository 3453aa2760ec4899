"""The append-only list of what was published; a Merkle log from the trust issue on."""

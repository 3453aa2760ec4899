"""Truth on disk: immutable run folders and content-addressed blobs (design section 8)."""

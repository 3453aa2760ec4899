"""Pages, index and plain words: views of a record, never the record itself."""

"""The text of a document's bytes, read in a process of its own that can be killed."""

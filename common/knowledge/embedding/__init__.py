"""Texts become vectors: by the organisation's provider, by Vertex AI, or on this machine."""

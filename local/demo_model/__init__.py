"""A litellm provider that answers cost questions by rules, offline, so that the real agent loop runs on a laptop."""

from local.demo_model.registration import MODEL, PROVIDER, register

__all__ = ["MODEL", "PROVIDER", "register"]

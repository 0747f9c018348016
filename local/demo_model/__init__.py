"""A litellm provider that answers cost questions by rules, offline, so that the real agent loop runs on a laptop."""

PROVIDER = "demo"
MODEL = "demo/analyst-1"

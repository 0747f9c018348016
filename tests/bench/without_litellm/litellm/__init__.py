"""In litellm's place where a benchmark asks what a function is like without it."""

raise ImportError("litellm is left out of this measurement")

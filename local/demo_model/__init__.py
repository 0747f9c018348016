"""A litellm provider that answers cost questions by rules, offline, so that the real agent loop runs on a laptop."""

PROVIDER = "demo"
MODEL = "demo/analyst-1"


def register(*, pace: float = 0.0) -> None:
    """Add the demo provider to litellm beside its other custom ones, once; `pace` is seconds per token."""
    # litellm takes seconds to import: only whoever registers pays for it.
    import litellm

    from local.demo_model.provider import DemoModel

    others = [entry for entry in litellm.custom_provider_map if entry["provider"] != PROVIDER]
    litellm.custom_provider_map = [*others, {"provider": PROVIDER, "custom_handler": DemoModel(pace=pace)}]

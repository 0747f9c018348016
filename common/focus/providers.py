"""Names of providers: the spellings that mean the same one.

Azure and Microsoft are one provider here: FOCUS exports of Azure name Microsoft, and people say Azure.
"""

# All in lower case; the filter also matches the name that was asked for, as it stands.
_ALIASES: tuple[frozenset[str], ...] = (
    frozenset({"aws", "amazon", "amazon aws", "amazon web services", "amazon web services, inc."}),
    frozenset({"gcp", "google", "google cloud", "google cloud platform", "google cloud platform (gcp)"}),
    frozenset({"azure", "microsoft", "microsoft azure", "ms azure", "microsoft corporation"}),
    frozenset({"oracle", "oci", "oracle cloud", "oracle cloud infrastructure"}),
    frozenset({"openai", "open ai", "chatgpt"}),
    frozenset({"anthropic", "claude"}),
    frozenset({"gemini", "google gemini", "google ai", "google ai studio"}),
)
# Names under which pipelines, usage rows and alert rules know a provider.
_KEYS = ("aws", "gcp", "azure", "oracle", "openai", "anthropic", "gemini")


def provider_names(asked: str) -> tuple[str, ...]:
    """The lower-case provider names that an asked-for provider may stand for, itself included."""
    exact = asked.lower()
    name = " ".join(exact.split())
    same = next((group for group in _ALIASES if name in group), frozenset())
    return tuple(sorted({exact, name, *same}))


def provider_key(asked: str) -> str:
    """The one lower-case name of a provider that goes by several: Google Cloud is gcp, Claude is anthropic."""
    names = provider_names(asked)
    return next((key for key in _KEYS if key in names), " ".join(asked.lower().split()))


def provider_aliases() -> tuple[tuple[str, str], ...]:
    """Every lower-case name of a provider that goes by several, with the one name for them all."""
    return tuple((name, provider_key(name)) for group in _ALIASES for name in sorted(group))

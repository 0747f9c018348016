"""Clouds and GenAI providers told by the names that bills give them."""

import re
from dataclasses import dataclass

# The start of a provider's name, in lower case, and the cloud it is.
_CLOUDS = {
    "aws": "aws",
    "amazon": "aws",
    "amazonwebservices": "aws",
    "microsoft": "azure",
    "azure": "azure",
    "google": "gcp",
    "gcp": "gcp",
    "oracle": "oci",
    "oci": "oci",
    "alibaba": "alibaba",
    "aliyun": "alibaba",
    "ibm": "ibm",
    "tencent": "tencent",
    "huawei": "huawei",
    "digitalocean": "digitalocean",
    "ovh": "ovh",
    "ovhcloud": "ovh",
}
_GENAI = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google gemini": "gemini",
    "gemini": "gemini",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "cohere": "cohere",
}


@dataclass(frozen=True, slots=True)
class Vendor:
    """The kind of a provider: a cloud, a GenAI provider, or neither (then both are None)."""

    cloud: str | None = None
    genai: str | None = None


def vendor_of(name: str) -> Vendor:
    """Return what a provider of this name is."""
    text = name.strip().lower()
    for start, genai in _GENAI.items():
        if _begins_with(text, start):
            return Vendor(genai=genai)
    for start, cloud in _CLOUDS.items():
        if _begins_with(text, start):
            return Vendor(cloud=cloud)
    return Vendor()


def _begins_with(text: str, start: str) -> bool:
    return re.match(rf"{re.escape(start)}(?![\w-])", text) is not None

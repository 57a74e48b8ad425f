"""What the page is to the server: it asks over HTTP, and takes the answers apart by its own reading of the format."""

import http.client
import json
import struct

import numpy as np


def decoded(body):
    length, = struct.unpack_from("<I", body)
    arrays = 4 + length + -(4 + length) % 8
    assert not any(body[4 + length:arrays])                             # padding

    def read(value):
        if isinstance(value, dict) and "$array" in value:
            offset, shape, dtype = value["$array"]
            assert offset % 8 == 0                                      # or no typed array can begin there
            return np.frombuffer(body, dtype, int(np.prod(shape)), arrays + offset).reshape(shape)
        if isinstance(value, dict):
            return {key: read(item) for key, item in value.items()}
        return [read(item) for item in value] if isinstance(value, list) else value
    return read(json.loads(body[4:4 + length], parse_constant=no_json))


def no_json(constant):
    raise AssertionError(f"{constant} is no JSON")


class Client:
    def __init__(self, url):
        _, _, self.host, self.token, _ = url.split("/")
        self.connection = http.client.HTTPConnection(self.host, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.connection.close()

    def request(self, method, path, body=None, **headers):
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def ask(self, method, /, **fields):
        status, _, body = self.request("POST", f"/{self.token}/api/{method}", json.dumps(fields))
        if status != 200:
            raise ValueError(json.loads(body)["error"])
        return decoded(body)

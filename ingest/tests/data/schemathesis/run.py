"""Runs schemathesis, told of a media type that it does not know: what tus sends its bytes as."""

import schemathesis
from schemathesis.cli import schemathesis as command


@schemathesis.serializer("application/offset+octet-stream")
def as_it_is(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()


command()

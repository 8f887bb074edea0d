"""What stands behind a proxy that is reloaded: short answers, answers under way, and streams that go on?

Run in a process of its own, with the ports it listens on as arguments. It never closes a connection by itself, so whatever
is closed while it runs was closed by the proxy.
"""

import asyncio
import base64
import hashlib
import signal
import sys

from peers import BODY

# RFC 6455, section 1.3.
WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Seconds before `/wait` is answered, so that some requests are under way whenever a reload comes.
WAIT = 0.010
# Seconds between two pieces of `/drip`.
DRIP = 0.1


def accept_key(key):
    """What Sec-WebSocket-Accept must say to a key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + WEBSOCKET).encode()).digest()).decode()


async def serve(ports):
    """Listens until it is told to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    for port in ports:
        await asyncio.start_server(_connection, "127.0.0.1", port, backlog=1024)
    await ended.wait()


async def _connection(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *lines = head.split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            path = request.split(" ")[1]
            if path == "/echo" and fields.get("upgrade", "").lower() == "websocket":
                return await _echo(reader, writer, fields["sec-websocket-key"])
            if path == "/drip":
                return await _drip(writer)
            if path == "/wait":
                await asyncio.sleep(WAIT)
            status, body = ("200 OK", BODY) if path in ("/bytes/128", "/wait") else ("404 Not Found", "")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
    except (OSError, EOFError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def _echo(reader, writer, key):
    """Sends back every byte. To a proxy, what follows the 101 is opaque: no frames are needed."""
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode())
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


async def _drip(writer):
    """A download that never ends, piece by piece, as server-sent events are."""
    # X-Accel-Buffering is how such origins ask nginx not to gather the pieces.
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    while True:
        writer.write(b"f\r\ndata: a piece\n\n\r\n")
        await writer.drain()
        await asyncio.sleep(DRIP)


if __name__ == "__main__":
    asyncio.run(serve([int(port) for port in sys.argv[1:]]))

"""A TLS terminator in front of the gateway, for clients that speak nothing else, and for what SDKs do over https alone."""
import asyncio
import ssl
import subprocess
import threading
from pathlib import Path


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost that vouches for itself, and its key."""
    certificate, key = directory / "lane-ca.pem", directory / "lane-key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )
    return certificate, key


def terminate(certificate: Path, key: Path, port: int) -> str:
    """Listens in a thread of its own, for as long as this process lives; returns the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening: list[int] = []
    ready = threading.Event()

    async def listen() -> None:
        server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, port), "127.0.0.1", 0, ssl=context)
        listening.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
    if not ready.wait(10):
        raise RuntimeError("the TLS terminator did not start")
    return f"https://127.0.0.1:{listening[0]}"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass  # the other direction ends with it
    finally:
        writer.close()

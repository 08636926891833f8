"""Uppy in a headless Chromium: preflights, exposed ETags and presigned parts, from a page of another origin; the program is programs/browser."""
from client import Client
from gateway import program
from installs import HERE, LANES, NODE, apt, npm, version_of

UPPY, ESBUILD = "6.3.1", "0.28.2"
BUNDLE = LANES / "uppy/page.bundle.js"


def install():
    apt("chromium")
    npm("uppy", f"@uppy/core@{UPPY}", f"@uppy/aws-s3@{UPPY}", f"esbuild@{ESBUILD}",
        build=["node_modules/.bin/esbuild", HERE / "programs/browser/page.js", "--bundle", "--format=esm", "--log-level=warning", f"--outfile={BUNDLE}"])


CLIENTS = [
    Client(
        "Uppy in Chromium",
        version=lambda: f"{UPPY} in {version_of('chromium', '--version')}",
        install=install,
        cells=program(NODE, HERE / "programs/browser/lane.ts", BUNDLE).cells("small", "empty", "multipart", "resume", "special"),
    )
]

"""The AWS SDK for JavaScript, on its default settings; programs/javascript-columns.ts tries the columns, programs/javascript.ts carries the tree."""
import json

from client import Client
from gateway import MIB, program
from installs import HERE, NODE, ROOT

PROGRAM = HERE / "programs/javascript.ts"


def version():
    return json.loads((ROOT / "node_modules/@aws-sdk/client-s3/package.json").read_text())["version"]


def bodies(gateway):
    gateway.run(NODE, PROGRAM, "bodies", gateway.file(12 * MIB), LANE_BUCKET=gateway.bucket())


COLUMNS = program(NODE, HERE / "programs/javascript-columns.ts").cells(
    "empty", "multipart", "range", "list", "copy", "delete", "conditional", "checksum")


def small(gateway):
    bodies(gateway)
    program(NODE, HERE / "programs/javascript-columns.ts").cell("small")(gateway)


def tree(gateway, carried):
    bucket = gateway.bucket()
    out = gateway.scratch / "out"
    carried.step("buffers and streams", lambda: gateway.run(NODE, PROGRAM, "bodies", carried.source / "large/0.bin", LANE_BUCKET=bucket))
    carried.step("Upload of all", lambda: gateway.run(NODE, PROGRAM, "up", carried.source, LANE_BUCKET=bucket, timeout=1800))

    def back():
        gateway.run(NODE, PROGRAM, "down", out, LANE_BUCKET=bucket, timeout=1800)
        carried.must_equal(out)

    carried.step("get all, compare", back)


CLIENTS = [Client("JavaScript SDK 3", version=version, install=lambda: None, cells={"small": small, **COLUMNS}, tree=tree)]

"""What the programs of the lane in Python share: where things are, and how they say that something differs."""
import os
import sys
from pathlib import Path

BUCKET = os.environ["LANE_BUCKET"]
ENDPOINT = os.environ["LANE_ENDPOINT"]
TLS_ENDPOINT = os.environ["LANE_TLS_ENDPOINT"]
CA_FILE = os.environ["LANE_CA_FILE"]
KEY_ID, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_REGION"]
STORE = os.environ["LANE_STORE"]
SCRATCH = Path(os.environ["LANE_SCRATCH"])
MIB = 1024 * 1024


class Differs(Exception):
    """A known difference that was asserted; the reason is its text."""


def equal(got, want, what="value") -> None:
    if got != want:
        raise AssertionError(f"{what}: got {short(got)}, want {short(want)}")


def short(value) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}… ({len(value)})"


def run(columns) -> None:
    """Runs the function of the column that the command line names."""
    try:
        columns[sys.argv[1]]()
    except Differs as reason:
        print(reason)
        sys.exit(3)

"""boto 2, which takes every ETag for an MD5: `boto2.py COLUMN`."""
import boto
from boto.exception import S3DataError
from boto.s3.connection import OrdinaryCallingFormat, S3Connection

from lane import BUCKET, ENDPOINT, KEY_ID, REGION, SECRET, Differs, run


def small():
    host, port = ENDPOINT.removeprefix("http://").split(":")
    boto.config.add_section("s3")
    boto.config.set("s3", "use-sigv4", "True")
    s3 = S3Connection(KEY_ID, SECRET, host=host, port=int(port), is_secure=False, calling_format=OrdinaryCallingFormat())
    # It would read it from the names of Amazon's hosts.
    s3._auth_handler.region_name = REGION
    key = s3.get_bucket(BUCKET, validate=False).new_key("object")
    try:
        key.set_contents_from_string("lane")
    except S3DataError as error:
        if "did not match computed MD5" not in str(error):
            raise
        raise Differs("compares the ETag of every upload with the MD5 of what it sent, and fails, as on AWS with SSE-KMS.") from None
    raise AssertionError("boto 2 took the ETag for an MD5")


if __name__ == "__main__":
    run({"small": small})

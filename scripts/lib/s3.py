"""Waits for a moto server and makes a user and a bucket: `s3.py URI BUCKET`. Prints `KEY:SECRET`.

The server takes its first three calls from anybody: those that make the user. From then on it checks
signatures and rights, as S3 does.
"""

import json
import sys
import time
import urllib.request

import boto3


def wait(uri):
    deadline = time.monotonic() + 60
    while True:
        try:
            return urllib.request.urlopen(f"{uri}/moto-api/data.json", timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main():
    uri, bucket = sys.argv[1:]
    wait(uri)
    account = {"endpoint_url": uri, "region_name": "us-east-1"}
    iam = boto3.client("iam", aws_access_key_id="none", aws_secret_access_key="none", **account)
    iam.create_user(UserName="vecpipe")
    key = iam.create_access_key(UserName="vecpipe")["AccessKey"]
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_user_policy(UserName="vecpipe", PolicyName="everything", PolicyDocument=policy)
    key, secret = key["AccessKeyId"], key["SecretAccessKey"]
    boto3.client("s3", aws_access_key_id=key, aws_secret_access_key=secret, **account).create_bucket(Bucket=bucket)
    print(f"{key}:{secret}")


if __name__ == "__main__":
    main()

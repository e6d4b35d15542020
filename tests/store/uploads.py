"""Prints how many uploads a bucket has that were begun, and neither ended nor given up, below a prefix:
`uploads.py ENDPOINT KEY SECRET BUCKET PREFIX`. Signs its one request itself, to need no package:
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

import datetime
import hashlib
import hmac
import sys
import urllib.parse
import urllib.request

endpoint, key, secret, bucket, prefix = sys.argv[1:]
host = endpoint.split("://")[1]
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
scope = f"{now[:8]}/us-east-1/s3/aws4_request"
nothing = hashlib.sha256(b"").hexdigest()
query = f"prefix={urllib.parse.quote(prefix, safe='')}&uploads="
headers = {"host": host, "x-amz-content-sha256": nothing, "x-amz-date": now}
names = ";".join(headers)
lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
request = f"GET\n/{bucket}\n{query}\n{lines}\n{names}\n{nothing}"
text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
sign = ("AWS4" + secret).encode()
for word in scope.split("/"):
    sign = hmac.digest(sign, word.encode(), "sha256")
signature = hmac.digest(sign, text.encode(), "sha256").hex()
headers["authorization"] = (
    f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
)
answer = urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}?{query}", headers=headers))
print(answer.read().decode().count("<Upload>"))

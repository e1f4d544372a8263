"""Tokens as somebody would forge them: RS256 with any key, and everything that is none. Standard library only."""
import base64
import hashlib
import hmac
import json
import time
import uuid

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _integers(der):
    """The integers of an RSAPrivateKey (PKCS#1): version, modulus, public exponent, private exponent, …"""
    def item(at):
        size, at = der[at + 1], at + 2
        if size & 128:
            count = size & 127
            size, at = int.from_bytes(der[at:at + count], "big"), at + count
        return at, at + size
    at, end = item(0)
    while at < end:
        start, at = item(at)
        yield int.from_bytes(der[start:at], "big")


def key_of(pem):
    der = base64.b64decode("".join(line for line in pem.strip().splitlines() if "-----" not in line))
    _, modulus, _, private = list(_integers(der))[:4]
    return modulus, private


def rs256(key, text):
    modulus, private = key
    size = (modulus.bit_length() + 7) // 8
    tail = b"\0" + _SHA256_INFO + hashlib.sha256(text).digest()
    padded = b"\0\1" + b"\xff" * (size - 2 - len(tail)) + tail
    return pow(int.from_bytes(padded, "big"), private, modulus).to_bytes(size, "big")


def claims(start=-60, end=3600, **more):
    now = int(time.time())
    return {"jti": str(uuid.uuid4()), "iat": now + start, "nbf": now + start, "exp": now + end, **more}


def make(said, sign, algorithm="RS256", kid="1", **head):
    text = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT", "kid": kid, **head}, said))
    return text + "." + _encode(sign(text.encode()))


def signed(key, said, **head):
    return make(said, lambda text: rs256(key, text), **head)


def unsigned(said, algorithm="none"):
    return make(said, lambda text: b"", algorithm)


def hs256(password, said):
    """Signed with a public key as if it were a password: who looks the algorithm up in the token falls for it."""
    return make(said, lambda text: hmac.new(password.encode(), text, hashlib.sha256).digest(), "HS256")


def altered(token, **changes):
    """Other claims under the old signature."""
    head, said, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))) | changes
    return ".".join((head, _encode(json.dumps(said).encode()), signature))


def id_of(token):
    said = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))["jti"]

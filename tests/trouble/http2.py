"""HTTP/2 and gRPC by hand, as small as tests need it: so that they can also be spoken wrongly. Standard library only."""
import os
import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


# --- HPACK: written without compression, read as far as servers use it without a dynamic table ----------------------

# Names of the static table (RFC 7541, appendix A), and the values that a server may mean by its index.
_NAMES = (":authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status "
          "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow authorization "
          "cache-control content-disposition content-encoding content-language content-length content-location content-range "
          "content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range "
          "if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range referer "
          "refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via "
          "www-authenticate").split()
_VALUES = dict(zip(range(8, 15), "200 204 206 304 400 404 500".split()))
# Lengths of the Huffman codes of NUL and of the printable ASCII characters; they are handed out in order, shortest first.
_LENGTHS = {0: 13, **dict(enumerate((
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13), 32))}


def _codes():
    codes, code, length = {}, 0, 0
    for symbol, bits in sorted(_LENGTHS.items(), key=lambda it: (it[1], it[0])):
        if bits > 15:  # beyond, other symbols come between
            break
        code <<= bits - length
        codes[bits, code] = symbol
        code, length = code + 1, bits
    return codes


_CODES = _codes()


def _plain(data):
    text, code, bits = bytearray(), 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, bits = code << 1 | byte >> shift & 1, bits + 1
            if (symbol := _CODES.get((bits, code))) is not None:
                text.append(symbol)
                code = bits = 0
    return text.decode()


def _number(data, at, prefix):
    value = data[at] & ((1 << prefix) - 1)
    at += 1
    if value == (1 << prefix) - 1:
        shift = 0
        while True:
            value += (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                break
    return value, at


def _text(data, at):
    coded = data[at] & 128
    size, at = _number(data, at, 7)
    raw = data[at:at + size]
    return (_plain(raw) if coded else raw.decode(errors="replace")), at + size


def read_headers(data):
    headers, at = {}, 0
    while at < len(data):
        first = data[at]
        if first & 128:
            index, at = _number(data, at, 7)
            headers[_NAMES[index - 1]] = _VALUES.get(index, "")
            continue
        if first & 0xe0 == 0x20:  # the size of the table
            _, at = _number(data, at, 5)
            continue
        index, at = _number(data, at, 6 if first & 64 else 4)
        name = _NAMES[index - 1] if index else None
        if name is None:
            name, at = _text(data, at)
        headers[name], at = _text(data, at)
    return headers


def write_headers(headers):
    def text(value):
        raw = value if isinstance(value, bytes) else value.encode()
        assert len(raw) < 1 << 20
        if len(raw) < 127:
            return bytes([len(raw)]) + raw
        rest, out = len(raw) - 127, bytearray([127])
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        out.append(rest)
        return bytes(out) + raw
    return b"".join(b"\0" + text(name) + text(value) for name, value in headers)


# --- connections ----------------------------------------------------------------------------------------------------

def trusting_context(*protocols):
    """What is tried here is the server; its certificate is not in question."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class Connection:
    """An HTTP/2 connection over TLS, used by one thread."""

    def __init__(self, port, host="127.0.0.1", timeout=10):
        plain = socket.create_connection((host, port), timeout=timeout)
        self.socket = trusting_context("h2").wrap_socket(plain)
        self.streams, self._next, self._buffer, self.goaway = {}, 1, b"", None
        # No dynamic table (setting 1); windows (setting 4) so large that they never matter.
        self.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 0x7fffffff))
                  + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fff0000)))

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def open(self, headers, end=False):
        stream = Stream(self, self._next)
        self.streams[self._next] = stream
        self._next += 2
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream.number, write_headers(headers)))
        return stream

    def grpc(self, path, token=None, metadata=()):
        headers = [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"),
                   ("content-type", "application/grpc"), ("te", "trailers")]
        if token is not None:
            headers.append(("authorization", token))
        return self.open([*headers, *metadata])

    def step(self):
        """Reads one frame and hands it on."""
        head = self._read(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        number = int.from_bytes(head[5:], "big") & 0x7fffffff
        payload = self._read(size)
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif number in self.streams:
            self.streams[number].take(kind, flags, payload)

    def _read(self, count):
        while len(self._buffer) < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("closed by the other side")
            self._buffer += chunk
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


class Stream:
    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.headers, self.body, self.is_ended, self.reset = {}, b"", False, None

    def send(self, data, end=False):
        while len(data) > 16384:
            self.connection.send(frame(DATA, 0, self.number, data[:16384]))
            data = data[16384:]
        self.connection.send(frame(DATA, END_STREAM if end else 0, self.number, data))

    def send_message(self, message, end=False):
        self.send(b"\0" + struct.pack(">I", len(message)) + message, end)

    def take(self, kind, flags, payload):
        if kind == HEADERS:
            self.headers.update(read_headers(payload))
        elif kind == DATA:
            self.body += payload
            # Only whole connections' windows are large from the start.
            if payload:
                self.connection.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))))
        elif kind == RST_STREAM:
            self.reset, self.is_ended = int.from_bytes(payload, "big"), True
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.is_ended = True

    def next_message(self):
        """None: the stream ended."""
        while True:
            if len(self.body) >= 5 and len(self.body) >= 5 + (size := int.from_bytes(self.body[1:5], "big")):
                message, self.body = self.body[5:5 + size], self.body[5 + size:]
                return message
            if self.is_ended:
                return None
            self.connection.step()

    def outcome(self):
        """(status, message) once the server has ended it; "reset" when it was torn off."""
        while not self.is_ended:
            self.connection.step()
        if "grpc-status" not in self.headers:
            return ("reset", "") if self.reset is not None else (f"http {self.headers.get(':status')}", "")
        return int(self.headers["grpc-status"]), self.headers.get("grpc-message", "")


# --- protobuf -------------------------------------------------------------------------------------------------------

def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """One field: a number as a varint, everything else with its length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def fields(message):
    """Field number → its values, as they are on the wire."""
    out, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while at < len(message):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or number()
            value, at = message[at:at + size], at + size
        out.setdefault(key >> 3, []).append(value)
    return out


def struct_of(values):
    """A google.protobuf.Struct of texts."""
    return b"".join(field(1, field(1, key) + field(2, field(3, value))) for key, value in values.items())


def noise(size):
    return os.urandom(size)

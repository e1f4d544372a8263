#!/usr/bin/python3
"""Reads the protobuf API out of an Envoy binary: what the data plane understands and what we generate cannot drift apart.

usage: envoy_descriptors.py ENVOY_BINARY ROOTS OUT_DIR

ROOTS is a text file with one .proto name a line (# starts a comment). Into OUT_DIR go `api.fds`, a FileDescriptorSet of
the roots and all that they import, for `protoc --descriptor_set_in`, and `files.txt`, the names of those that need
generated code (all but the ones that libprotobuf brings), each after the files that it imports.

A C++ program with protobuf carries each of its .proto files as a serialised FileDescriptorProto. Nothing in the ELF
file says where they are, but each one starts with its own name, and its fields are few: a candidate is a place that
looks like such a name, and it is one when the bytes from there parse as a descriptor of that name.
"""
import mmap
import pathlib
import re
import sys

try:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
    from google.protobuf.message import DecodeError
except ImportError:
    sys.exit("envoy_descriptors: needs Python's protobuf package (Debian: apt-get install python3-protobuf)")

# Field 1, length-delimited, shorter than 128 bytes, ends in ".proto".
NAME = re.compile(rb"\x0a([\x08-\x7f])([a-zA-Z0-9_][a-zA-Z0-9_./-]*?\.proto)")
LENGTH_DELIMITED, VARINT = 2, 0
WIRE_TYPES = {1: LENGTH_DELIMITED, 2: LENGTH_DELIMITED, 3: LENGTH_DELIMITED, 4: LENGTH_DELIMITED, 5: LENGTH_DELIMITED,
              6: LENGTH_DELIMITED, 7: LENGTH_DELIMITED, 8: LENGTH_DELIMITED, 9: LENGTH_DELIMITED, 10: VARINT, 11: VARINT,
              12: LENGTH_DELIMITED, 14: VARINT}
BROUGHT_BY_PROTOBUF = "google/protobuf/"


def read_varint(data, at):
    value = shift = 0
    while shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("not a varint")


def end_of_descriptor(data, start):
    """Where the fields that begin at `start` stop being those of one FileDescriptorProto."""
    at = end = start
    while at < len(data):
        try:
            tag, value_at = read_varint(data, at)
            value, next_at = read_varint(data, value_at)
        except (ValueError, IndexError):
            break
        field, wire_type = tag >> 3, tag & 7
        if WIRE_TYPES.get(field) != wire_type or (field == 1 and at != start):
            break
        at = next_at + value if wire_type == LENGTH_DELIMITED else next_at
        if at > len(data):
            break
        end = at
    return end


def descriptors_in(data):
    found = {}
    for match in NAME.finditer(data):
        name = match.group(2).decode()
        if len(name) != match.group(1)[0]:
            continue
        candidate = FileDescriptorProto()
        try:
            candidate.ParseFromString(data[match.start():end_of_descriptor(data, match.start())])
        except DecodeError:
            continue
        if candidate.name == name and candidate.package and candidate.ByteSize() > found.get(name, candidate).ByteSize() - 1:
            found[name] = candidate
    return found


def closure(roots, known):
    ordered = {}  # a dict keeps the order

    def visit(name, asked_by):
        if name in ordered:
            return
        if name not in known:
            sys.exit(f"envoy_descriptors: {name} (for {asked_by}) is not in this Envoy binary")
        for imported in sorted(known[name].dependency):
            visit(imported, name)
        ordered[name] = known[name]

    for root in sorted(roots):
        visit(root, "the list of roots")
    return ordered


def main(binary, roots_file, out):
    lines = (line.split("#")[0].strip() for line in pathlib.Path(roots_file).read_text().splitlines())
    with open(binary, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        needed = closure([line for line in lines if line], descriptors_in(data))
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "api.fds").write_bytes(FileDescriptorSet(file=needed.values()).SerializeToString(deterministic=True))
    (out / "files.txt").write_text("".join(f"{name}\n" for name in needed if not name.startswith(BROUGHT_BY_PROTOBUF)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    main(*sys.argv[1:])
